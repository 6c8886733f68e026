//! Who may import whom (docs/ARCHITECTURE.md): asked of Cargo itself.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// Our crates, and which of ours each may depend on.
const ALLOWED: &[(&str, &[&str])] = &[
    ("waybill-core", &[]),
    ("waybill-drill", &[]),
    ("waybill-process", &[]),
    ("waybill-store", &["waybill-core", "waybill-drill"]),
    ("waybill-broker", &["waybill-core", "waybill-drill"]),
    (
        "waybill-relay",
        &["waybill-core", "waybill-drill", "waybill-store", "waybill-broker", "waybill-process"],
    ),
    (
        "ingest-api",
        &[
            "waybill-core",
            "waybill-drill",
            "waybill-store",
            "waybill-broker",
            "waybill-relay",
            "waybill-process",
        ],
    ),
    ("worker", &["waybill-core", "waybill-drill", "waybill-store", "waybill-broker", "waybill-process"]),
    ("waybill-console", &["waybill-core", "waybill-store", "waybill-process"]),
    (
        "waybill",
        &[
            "waybill-core",
            "waybill-console",
            "waybill-drill",
            "waybill-store",
            "waybill-broker",
            "waybill-relay",
            "waybill-process",
        ],
    ),
];

/// What a library may be used by: the rest of Waybill reaches it through them.
const ONLY_THROUGH: &[(&str, &str)] = &[("sqlx", "waybill-store"), ("lapin", "waybill-broker")];

/// What tests and measures the rest: it may import everything, and nothing imports it.
const OUTSIDE: [&str; 3] = ["waybill-tests", "waybill-bench", "waybill-chaos"];

/// What the pure core must do without.
const IMPURE: [&str; 6] = ["tokio", "sqlx", "lapin", "axum", "reqwest", "hyper"];

/// Each of our crates with what it depends on, tests aside.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(super::top())
        .output()
        .expect("cargo metadata runs");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("metadata is JSON");
    let mut found = BTreeMap::new();
    for package in metadata["packages"].as_array().expect("packages") {
        let name = package["name"].as_str().expect("a name").to_owned();
        let list = package["dependencies"].as_array().expect("dependencies");
        let normal = list.iter().filter(|dependency| dependency["kind"].is_null());
        let names = normal.map(|dependency| dependency["name"].as_str().expect("a name").to_owned());
        found.insert(name, names.collect());
    }
    found
}

#[test]
fn every_crate_imports_only_what_it_may() {
    let dependencies = dependencies();
    let ours: BTreeSet<&str> = ALLOWED.iter().map(|(name, _)| *name).collect();
    for (name, depends_on) in dependencies.iter().filter(|(name, _)| !OUTSIDE.contains(&name.as_str())) {
        let (_, allowed) = ALLOWED.iter().find(|(known, _)| known == name).unwrap_or_else(|| {
            panic!("{name} is new: say in this test what it may import, and why in docs/adr")
        });
        for dependency in depends_on.iter().filter(|d| ours.contains(d.as_str())) {
            assert!(allowed.contains(&dependency.as_str()), "{name} must not import {dependency}");
        }
        for outside in OUTSIDE {
            assert!(!depends_on.contains(outside), "{name} must not import {outside}");
        }
    }
    for (name, _) in ALLOWED {
        assert!(dependencies.contains_key(*name), "{name} is gone: take it out of this test");
    }
}

#[test]
fn sqlx_and_lapin_are_reached_through_one_crate_each() {
    for (name, depends_on) in dependencies().iter().filter(|(name, _)| !OUTSIDE.contains(&name.as_str())) {
        for (library, only) in ONLY_THROUGH {
            assert!(
                name == only || !depends_on.contains(*library),
                "{name} must use {library} through {only}"
            );
        }
    }
}

#[test]
fn the_drill_sees_the_product_from_outside() {
    let dependencies = dependencies();
    for (name, _) in ALLOWED {
        assert!(!dependencies["waybill-chaos"].contains(*name), "waybill-chaos must not import {name}");
    }
}

#[test]
fn the_core_is_pure() {
    let core = &dependencies()["waybill-core"];
    for library in IMPURE {
        assert!(!core.contains(library), "waybill-core must do without {library}");
    }
}
