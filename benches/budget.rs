//! The function's size and instructions beside `benches/budget.json`, so that a
//! change that costs is seen in the change: `cargo test --bench budget`.
//!
//! Instructions are callgrind's, so they do not depend on the machine's speed or
//! load: of the start (spawn to the first request for an event), of the first
//! event, and of a warm one, over TLS as in production. `UPDATE_BUDGET=1` writes
//! the file anew.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a check that cannot go on says so by panicking"
)]

mod rig;

use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;

use cognito_sender::config::environment;
use cognito_sender::local::{Options, StandIn};
use serde_json::Value;

use rig::tls::Authority;
use rig::{Folder, Process, answered, built, events, size};

const FILE: &str = "benches/budget.json";
/// Warm events of the longer run.
const EVENTS: usize = 20;

#[tokio::main]
async fn main() -> ExitCode {
    let program = built(&["--bin", "bootstrap"]).join("bootstrap");
    let folder = Folder::new("budget");
    let tls = Authority::new(&folder.0);
    let events = events(EVENTS + 1).await;
    let start = median(&program, &tls, &[]).await;
    let first = median(&program, &tls, &events[..1]).await;
    let all = median(&program, &tls, &events).await;
    let measured = [
        ("bytes", size(&program)),
        ("start", start),
        ("first", first - start),
        ("warm", (all - first) / u64::try_from(EVENTS).unwrap()),
    ];
    let budget = std::fs::read(FILE).unwrap_or_else(|_| b"{}".to_vec());
    let mut budget: Value = serde_json::from_slice(&budget).unwrap();
    let arch = std::env::consts::ARCH;
    if environment("UPDATE_BUDGET").is_some() {
        budget[arch] = measured.into_iter().collect();
        let written = serde_json::to_string_pretty(&budget).unwrap() + "\n";
        std::fs::write(FILE, written).unwrap();
    }
    let Some(own) = budget.get(arch) else {
        println!("{FILE} has no figures for {arch}: nothing to hold this against");
        return ExitCode::SUCCESS;
    };
    let mut kept = 0;
    for (name, value) in measured {
        let recorded = own[name].as_u64().unwrap();
        let more = percent(value, recorded);
        let fine = more <= TOLERANCE;
        kept += usize::from(fine);
        let verdict = match fine {
            true if more < -TOLERANCE => "  <- a gain: write it down",
            true => "",
            false => "  <- over budget",
        };
        println!("{name:>6} {value:>10}, budget {recorded:>10} ({more:+.1} %){verdict}");
    }
    let failed = measured.len() - kept;
    println!("budget: {kept} passed, {failed} failed");
    if failed > 0 {
        println!(
            "If it is worth it: `UPDATE_BUDGET=1 cargo test --bench budget`, and say why in the \
             commit."
        );
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Percent that a figure may be over. From run to run instructions differ by 0.3
/// (hash seeds, and how often the runtime's threads look for work); more is for
/// processors that AWS-LC serves otherwise.
const TOLERANCE: f64 = 2.0;

#[expect(clippy::cast_precision_loss, reason = "a tenth of a percent")]
fn percent(value: u64, recorded: u64) -> f64 {
    (value as f64 / recorded as f64 - 1.0) * 100.0
}

/// Of five runs: what threads do at the same time may meet, or not, and then a
/// first event costs some percent more or less.
async fn median(program: &Path, tls: &Authority, events: &[Value]) -> u64 {
    let mut counted = [0; 5];
    for one in &mut counted {
        *one = instructions(program, tls, events).await;
    }
    counted.sort_unstable();
    counted[2]
}

/// Of a start and the events, by callgrind.
async fn instructions(program: &Path, tls: &Authority, events: &[Value]) -> u64 {
    let roots = tls.roots();
    let out = roots.with_file_name("callgrind.out");
    let callgrind = [
        "valgrind".to_owned(),
        "--quiet".to_owned(),
        "--tool=callgrind".to_owned(),
        format!("--callgrind-out-file={}", out.display()),
    ];
    let program = [program.to_str().unwrap().to_owned()];
    let aws = StandIn::start(Options::default()).unwrap();
    let endpoint = tls.before(&aws.endpoint()).await;
    let more = [("AWS_CA_BUNDLE", roots.to_str().unwrap())];
    let asked = aws.asked();
    let mut process = Process::start(&callgrind, &program, &aws, &endpoint, &more);
    asked.await;
    quiet(&aws).await;
    for event in events {
        answered(&aws, event).await;
    }
    quiet(&aws).await;
    // So that it ends as a program does, and callgrind writes what it counted.
    let kill = Command::new("kill")
        .arg(process.0.id().to_string())
        .status();
    assert!(kill.unwrap().success());
    process.0.wait().unwrap();
    let counted = std::fs::read_to_string(&out).unwrap();
    std::fs::remove_file(&out).unwrap();
    let total = counted
        .lines()
        .find_map(|line| line.strip_prefix("totals:"));
    total.unwrap().trim().parse().unwrap()
}

/// Waits until nothing was asked of the stand-in for a while, so that nothing
/// that was begun is cut off.
async fn quiet(aws: &StandIn) {
    let asked = || -> usize {
        let operations = aws.operations();
        operations.iter().map(|name| aws.calls(name).count).sum()
    };
    let mut before = usize::MAX;
    while before != asked() {
        before = asked();
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}
