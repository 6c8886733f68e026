//! A world: a database and a virtual host of its own, in which Waybill runs for one test.
//!
//! [`World::run`] gives a test its world and takes it back: at the end everything is shut down and
//! the ledger must balance — no message unaccounted for, none in hand, none due, no dead letter
//! left in RabbitMQ, no effect twice — whatever the test did.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, Executor as _, PgPool};
use uuid::Uuid;
use waybill_broker::{Broker, Link, topology};
use waybill_core::credential::{ApiKey, Pepper};
use waybill_core::kinds::{Kind, REGISTRY};
use waybill_process::Lifecycle;
use waybill_process::config::Layers;
use waybill_store::Store;
use waybill_store::source::{Key, compare};

use super::{Partner, Services};

/// The pepper of every test.
const PEPPER: &str = "a pepper for tests, at least 32 characters";

/// An append-only witness of effects, without any constraint that could hide a second one.
const WITNESS: &str = "
create table witness (by uuid not null, what text not null, seq bigint generated always as identity);
create function witness_visit() returns trigger language plpgsql as $$
begin insert into witness values (new.updated_by, 'visit ' || new.visit_id); return null; end $$;
create function witness_signature() returns trigger language plpgsql as $$
begin insert into witness values (new.received_by, 'signature ' || new.programme_membership_id); return null; end $$;
create trigger witness after insert or update on visit for each row execute function witness_visit();
create trigger witness after insert or update on conditions_of_joining for each row execute function witness_signature();";

/// Dead messages that are not on the list of the dead as they died, and the reverse.
const LIST_OUT_OF_STEP: &str = "
select count(*) from (select id, finished_at from progress where state = 'dead') p
full join dead_list l on l.id = p.id and l.dead_at = p.finished_at where p.id is null or l.id is null";

/// Groups whose tally is not what is on the list.
const TALLY_OUT_OF_STEP: &str = "
select count(*) from (select fingerprint, count(*) as n from dead_list group by fingerprint) l
full join (select fingerprint, sum(n) as n from dead_tally group by fingerprint having sum(n) <> 0) t
     on t.fingerprint = l.fingerprint
where t.n is distinct from l.n";

/// The sources of every test, unless it applies others.
pub const SOURCES: &str = include_str!("sources.toml");

/// One test's world.
#[derive(Debug)]
pub struct World {
    pub services: Services,
    pub name: String,
    /// Straight into the database, for what no API shows.
    pub db: PgPool,
    pub store: Store,
    pub broker: Broker,
    pub http: reqwest::Client,
    keys: HashMap<String, String>,
    running: Vec<Lifecycle>,
}

impl World {
    /// Runs `test` in a world of its own on the shared services.
    pub async fn run<F: Future<Output = World>>(test: impl FnOnce(World) -> F) {
        Self::run_on(Services::shared(), test).await;
    }

    /// Runs `test` in a world of its own on `services`.
    pub async fn run_on<F: Future<Output = World>>(services: Services, test: impl FnOnce(World) -> F) {
        waybill_process::telemetry::install_tls();
        let world = Self::create(services).await;
        let world = test(world).await;
        world.close().await;
    }

    async fn create(services: Services) -> Self {
        let name = format!("t{}", Uuid::now_v7().simple());
        let maintenance = PgPool::connect(&services.database_url).await.expect("PostgreSQL answers");
        maintenance.execute(AssertSqlSafe(format!("create database {name}"))).await.unwrap();
        maintenance.close().await;
        let http = reqwest::Client::builder().build().unwrap();
        api(&http, &services, reqwest::Method::PUT, &format!("vhosts/{name}")).await;
        let mut world = Self {
            db: PgPool::connect_lazy(&database_url(&services, &name)).unwrap(),
            store: Store::new(&database(&services, &name), "test").unwrap(),
            broker: Broker::new(&amqp(&services, &name)).unwrap(),
            services,
            name,
            http,
            keys: HashMap::new(),
            running: Vec::new(),
        };
        world.store.migrate().await.unwrap();
        world.db.execute(WITNESS).await.unwrap();
        world.apply(SOURCES).await;
        world
    }

    /// Makes the sources match `text`, and their queues exist.
    pub async fn apply(&mut self, text: &str) {
        let wanted = waybill_core::source::read(text).expect("good sources");
        let lanes: Vec<String> = wanted.iter().map(|source| source.lane.clone()).collect();
        topology::declare(&self.link().await, &lanes).await.unwrap();
        let pepper = Pepper::new(PEPPER).unwrap();
        let mut keys = Vec::new();
        for name in compare(&wanted, &self.store.sources().await.unwrap()).created {
            let random = Uuid::now_v7();
            let mut secret = [7; 32];
            secret[..16].copy_from_slice(random.as_bytes());
            let key = ApiKey::from_random(random.as_bytes()[10..].try_into().unwrap(), secret);
            let digest = key.digest(&pepper).to_vec();
            keys.push(Key { id: key.id().into(), source: name.clone(), digest });
            self.keys.insert(name, key.reveal().to_owned());
        }
        self.store.apply(&wanted, &keys, super::BY).await.unwrap();
    }

    /// A connection to the world's virtual host.
    pub async fn link(&self) -> Link {
        self.broker.connect("test").await.expect("RabbitMQ answers")
    }

    /// What a program needs to know to run in this world.
    pub fn settings(&self) -> Vec<(String, String)> {
        let amqp_url = format!("{}/{}", self.services.amqp_url.trim_end_matches('/'), self.name);
        let settings = [
            ("WAYBILL_DATABASE_URL", database_url(&self.services, &self.name)),
            ("WAYBILL_AMQP_URL", amqp_url),
            ("WAYBILL_RABBITMQ_API_URL", self.services.api_url.clone()),
            ("WAYBILL_AUTH__PEPPER", PEPPER.to_owned()),
            ("WAYBILL_INGEST__LISTEN", "127.0.0.1:0".to_owned()),
            ("WAYBILL_INGEST__ADMIN_LISTEN", "127.0.0.1:0".to_owned()),
            ("WAYBILL_WORKER__ADMIN_LISTEN", "127.0.0.1:0".to_owned()),
            ("WAYBILL_SERVE__ADMIN_LISTEN", "127.0.0.1:0".to_owned()),
            ("WAYBILL_RELAY__SCAN_MS", "50".to_owned()),
            ("WAYBILL_RELAY__RETRY_S", "1".to_owned()),
            // many worlds share two cores and one PostgreSQL: a first connection may take its time
            ("WAYBILL_DATABASE__ACQUIRE_TIMEOUT_MS", "8000".to_owned()),
            // a claim whose commit was answered by a broken connection ends with its lease
            ("WAYBILL_WORKER__PROCESS_TIMEOUT_S", "2".to_owned()),
            ("WAYBILL_WORKER__CLAIM_LEASE_S", "5".to_owned()),
            ("WAYBILL_SERVE__SWEEP_MS", "200".to_owned()),
            ("WAYBILL_PROCESS__SOURCES_REFRESH_MS", "200".to_owned()),
        ];
        settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    fn layers(&self, more: &[(&str, &str)]) -> Layers {
        let more = more.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()));
        Layers::merge(None, self.settings().into_iter().chain(more))
    }

    /// Starts an `ingest-api`; its base URL.
    pub async fn ingest(&mut self, more: &[(&str, &str)]) -> String {
        let config = ingest_api::Config::read(self.layers(more)).expect("a good configuration");
        let lifecycle = Lifecycle::new();
        let addresses = ingest_api::start(config, &lifecycle).await.expect("ingest-api starts");
        self.running.push(lifecycle);
        self.until_ready(addresses.admin.port()).await;
        format!("http://{}", addresses.public)
    }

    /// Starts a worker with the built-in kinds; the URL of its admin port.
    pub async fn worker(&mut self, more: &[(&str, &str)]) -> String {
        self.worker_with(REGISTRY, more).await
    }

    /// Starts a worker with these kinds; the URL of its admin port.
    pub async fn worker_with(&mut self, kinds: &'static [Kind], more: &[(&str, &str)]) -> String {
        let (lifecycle, admin) = self.start_worker(kinds, more).await;
        self.running.push(lifecycle);
        self.until_ready(admin.port()).await
    }

    /// Starts a worker with these kinds that the test stops by itself.
    pub async fn worker_apart(&self, kinds: &'static [Kind], more: &[(&str, &str)]) -> Lifecycle {
        let (lifecycle, admin) = self.start_worker(kinds, more).await;
        self.until_ready(admin.port()).await;
        lifecycle
    }

    /// Starts a worker that something is missing for; the URL of its admin port.
    pub async fn worker_not_ready(&mut self) -> String {
        let (lifecycle, admin) = self.start_worker(REGISTRY, &[]).await;
        self.running.push(lifecycle);
        format!("http://127.0.0.1:{}", admin.port())
    }

    async fn start_worker(&self, kinds: &'static [Kind], more: &[(&str, &str)]) -> (Lifecycle, SocketAddr) {
        let config = worker::Config::read(self.layers(more)).expect("a good configuration");
        let lifecycle = Lifecycle::new();
        let admin = worker::start(config, kinds, &lifecycle).await.expect("worker starts");
        (lifecycle, admin)
    }

    /// Starts a `waybill serve`; the URL of its admin port.
    pub async fn serve(&mut self, more: &[(&str, &str)]) -> String {
        let config = waybill::Config::read(self.layers(more), &[]).expect("a good configuration");
        let lifecycle = Lifecycle::new();
        let addresses = waybill::serve::start(config, &lifecycle).await.expect("waybill serve starts");
        self.running.push(lifecycle);
        self.until_ready(addresses.admin.port()).await
    }

    /// Starts a `waybill serve` with a console; the console's URL.
    pub async fn console(&mut self, more: &[(&str, &str)]) -> String {
        let more = [&[("WAYBILL_CONSOLE__LISTEN", "127.0.0.1:0")], more].concat();
        let config = waybill::Config::read(self.layers(&more), &[]).expect("a good configuration");
        let lifecycle = Lifecycle::new();
        let addresses = waybill::serve::start(config, &lifecycle).await.expect("waybill serve starts");
        self.running.push(lifecycle);
        self.until_ready(addresses.admin.port()).await;
        format!("http://{}", addresses.console.expect("a console"))
    }

    /// Starts one `ingest-api`, two workers and one `waybill serve`; a partner for each source.
    pub async fn everything(&mut self) -> Arc<HashMap<String, Partner>> {
        let url = self.ingest(&[]).await;
        self.worker(&[]).await;
        self.worker(&[]).await;
        self.serve(&[]).await;
        Arc::new(self.keys.keys().map(|name| (name.clone(), self.partner(name, &url))).collect())
    }

    /// The sender of `source`, posting to the `ingest-api` at `url`.
    pub fn partner(&self, source: &str, url: &str) -> Partner {
        Partner {
            name: source.to_owned(),
            key: self.keys[source].clone(),
            url: url.to_owned(),
            http: self.http.clone(),
        }
    }

    /// Waits until the process with this admin port is ready; the port's URL.
    pub async fn until_ready(&self, port: u16) -> String {
        let url = format!("http://127.0.0.1:{port}");
        super::until("a process to be ready", || async {
            let answer = self.http.get(format!("{url}/readyz")).send().await;
            answer.is_ok_and(|response| response.status() == 200)
        })
        .await;
        url
    }

    /// A number that a query gives.
    pub async fn count(&self, query: &'static str) -> i64 {
        sqlx::query_scalar(query).fetch_one(&self.db).await.unwrap()
    }

    /// Waits until every message is processed, dead, or held.
    pub async fn until_settled(&self) {
        super::until("every message to be final or held", || async {
            self.count("select count(*) from progress where finished_at is null and state <> 'held'").await
                == 0
        })
        .await;
    }

    /// Waits until the blind index has seen every message.
    pub async fn until_indexed(&self) {
        super::until("the index to have seen everything", || async {
            self.store.index_progress().await.unwrap().behind() == 0
        })
        .await;
    }

    /// The messages that had this effect, in its order.
    pub async fn had_effect(&self, what: &str) -> Vec<String> {
        sqlx::query_scalar("select by::text from witness where what = $1 order by seq")
            .bind(what)
            .fetch_all(&self.db)
            .await
            .unwrap()
    }

    /// Asks RabbitMQ's management API something.
    pub async fn api(&self, method: reqwest::Method, path: &str) -> String {
        api(&self.http, &self.services, method, path).await
    }

    /// Puts something into RabbitMQ by its management API.
    pub async fn put(&self, path: &str, body: &serde_json::Value) {
        let url = format!("{}/api/{path}", self.services.api_url.trim_end_matches('/'));
        let response = self.http.put(url).json(body).send().await.expect("RabbitMQ's API answers");
        assert!(response.status().is_success(), "{path}: {}", response.status());
    }

    /// Stops every process that the world started.
    pub async fn stop_all(&self) {
        for lifecycle in self.running.iter().rev() {
            lifecycle.shut_down().await;
        }
    }

    /// Takes the world back; the ledger must balance.
    async fn close(self) {
        self.stop_all().await;
        for balance in self.store.balance().await.expect("the ledger answers") {
            assert_eq!(balance.unaccounted, 0, "unaccounted messages: {balance:?}");
            assert_eq!(balance.in_flight, 0, "unfinished messages: {balance:?}");
            let sum = balance.processed + balance.dead + balance.discarded + balance.held;
            assert_eq!(balance.accepted, sum, "the ledger is out of balance: {balance:?}");
        }
        assert_eq!(self.count("select count(*) from in_hand").await, 0, "nothing is in hand");
        assert_eq!(self.count(LIST_OUT_OF_STEP).await, 0, "the list of the dead is what is dead");
        assert_eq!(self.count(TALLY_OUT_OF_STEP).await, 0, "the tally is the list's");
        let twice = "select count(*) from (select from witness group by by, what having count(*) > 1) t";
        assert_eq!(self.count(twice).await, 0, "no effect happened twice");
        let phantom = "select count(*) from witness w where not exists
            (select from attempt a where a.id = w.by and a.outcome = 'processed')";
        assert_eq!(self.count(phantom).await, 0, "no effect without an attempt");
        let link = self.link().await;
        let dead = topology::depth(&link, topology::DEAD).await.unwrap();
        assert_eq!(dead.map(|(ready, _)| ready), Some(0), "waybill.dead is drained");
        link.close().await;
        self.store.close().await;
        self.db.close().await;
        self.api(reqwest::Method::DELETE, &format!("vhosts/{}", self.name)).await;
        let options = PgPoolOptions::new().max_connections(1);
        let maintenance = options.connect(&self.services.database_url).await.unwrap();
        let drop = AssertSqlSafe(format!("drop database {} with (force)", self.name));
        maintenance.execute(drop).await.unwrap();
    }
}

async fn api(http: &reqwest::Client, services: &Services, method: reqwest::Method, path: &str) -> String {
    let url = format!("{}/api/{path}", services.api_url.trim_end_matches('/'));
    let response = http.request(method, url).send().await.expect("RabbitMQ's API answers");
    assert!(response.status().is_success(), "{path}: {}", response.status());
    response.text().await.unwrap_or_default()
}

fn database_url(services: &Services, name: &str) -> String {
    let base = services.database_url.split('?').next().unwrap_or_default();
    let (server, _) = base.rsplit_once('/').expect("a database in the URL");
    format!("{server}/{name}")
}

/// The section `database` for this world.
pub fn database(services: &Services, name: &str) -> waybill_store::Config {
    waybill_store::Config {
        url: database_url(services, name),
        connections_max: 6,
        acquire_timeout_ms: 30_000,
        statement_timeout_ms: 60_000,
        lock_timeout_ms: 30_000,
    }
}

fn amqp(services: &Services, name: &str) -> waybill_broker::Config {
    waybill_broker::Config {
        url: format!("{}/{name}", services.amqp_url.trim_end_matches('/')),
        heartbeat_s: 10,
        timeout_ms: 30_000,
    }
}
