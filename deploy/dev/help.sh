# shellcheck shell=bash
# ./dev help.

cmd_help() {
  cat <<'TEXT'
./dev up                    start everything, post the demo's messages, show what became of them
./dev status                what runs, where, and since when
./dev down [--purge]        stop what up started; with --purge delete its data too
./dev test [--full] [NAME]  run the tests on services of their own; --full installs what some groups
                            need; NAME runs only the tests whose name contains it
./dev lint                  formatting, clippy, shellcheck
./dev services up|down NAME a private PostgreSQL and RabbitMQ for a test by hand; up NAME --rabbitmq 4
./dev bench [--quick]       measure throughput and latency on services of its own: about 13 minutes, or 2;
                            prints a table and writes target/bench/latest.json (quick.json);
            [--part replays|receipt-seq [--dead-letters N]] one part alone
./dev chaos [--quick]       the loss drill: faults one by one and in pairs, on services of its own
            [--only NAME] [--seed N] [--list] [--teeth] [--rabbitmq 4]
./dev screenshots           take the pictures of docs/CONSOLE.md anew

up uses the PostgreSQL and RabbitMQ of WAYBILL_DATABASE_URL and WAYBILL_AMQP_URL when both are set,
else Docker Compose where an engine answers, else native packages. WAYBILL_DEV_SERVICES=native,
compose or external decides for you. Everything of ours is under .dev/, which .dev/env describes.
TEXT
}
