//! The doorbell: topology, supervised connections, publisher, consumer.
