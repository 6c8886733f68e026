//! The floors: what HTTP, PostgreSQL and RabbitMQ could do here and now, if Waybill did nothing but the
//! one thing. A figure of Waybill's next to its floor says what the rest costs.

pub mod broker;
pub mod http;
pub mod postgres;
