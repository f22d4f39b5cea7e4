//! What the function costs, beside what people would write instead and beside
//! the floor: `cargo bench --bench cost`. docs/cost.md has the result.
//!
//! All programs run behind the same Runtime API and the same AWS stand-in on
//! loopback, started in turn, so that what disturbs the machine disturbs all.
//! Medians, with the quartiles; milliseconds unless said.
//!
//! * init: spawn to the first request for an event;
//! * cold: spawn to the first answer, the event handed over when asked for;
//! * warm: from an event to its answer, after the first;
//! * CPU: user and system time of a warm event, all threads;
//! * memory: the most that was resident (`VmHWM`), at the end.
//!
//! Once over plain HTTP, once over TLS, and once over TLS with the share of a
//! core that Lambda gives to 256 MB, for the events: the start has a whole core.
//! Then: how it goes with many events at once, with many languages, verified
//! numbers and rows of the ledger, and what the words of a message cost.
//!
//! Node, Python, openssl, taskset, a second core and a control group are needed
//! for all of it; what is not there is left out, and said.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark that cannot go on says so by panicking"
)]

mod rig;

use std::hint::black_box;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cognito_sender::catalogue::BUILT_IN;
use cognito_sender::config::TextsConfig;
use cognito_sender::local::{Options, StandIn};
use cognito_sender::message::Texts;
use cognito_sender::{Clients, Request, Secret};
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use rig::tls::Authority;
use rig::{Folder, Process, answered, built, events, size};

/// Warm events a start.
const EVENTS: usize = 25;
/// Warm events for each row of the table of growth.
const GROWTH: usize = 300;
/// Of a core: 256 MB of the 1,769 that have one ("Configure Lambda function
/// memory").
const SHARE: f64 = 256.0 / 1769.0;
/// In which the share is counted.
const PERIOD: Duration = Duration::from_millis(20);

struct Program {
    name: &'static str,
    line: Vec<String>,
    /// Of the program, or the bundle.
    bytes: Option<u64>,
    zipped: Option<u64>,
}

/// What was measured of a program, a value for each start (warm: for each event).
#[derive(Default)]
struct Measured {
    init: Vec<f64>,
    cold: Vec<f64>,
    warm: Vec<f64>,
    cpu: Vec<f64>,
    memory: Vec<f64>,
}

/// What is between a program and the stand-in.
struct Surroundings<'a> {
    title: &'static str,
    starts: usize,
    tls: Option<&'a Authority>,
    /// Whether events have a share of a core.
    limited: bool,
}

#[tokio::main]
async fn main() {
    let folder = Folder::new("cost");
    let programs = programs(&folder.0);
    let two_cores = has_two_cores();
    let authority = has("openssl").then(|| Authority::new(&folder.0));
    let data_key = data_key().await;
    let events = events(EVENTS + 1).await;
    println!("{}\n", machine());
    let plain = Surroundings {
        title: "Over plain HTTP",
        starts: 40,
        tls: None,
        limited: false,
    };
    compare(&programs, &plain, &events, &data_key).await;
    if let Some(authority) = &authority {
        let tls = Surroundings {
            title: "Over TLS",
            starts: 20,
            tls: Some(authority),
            ..plain
        };
        compare(&programs, &tls, &events, &data_key).await;
        let may_limit = Limit::new().is_some() || left_out::<()>("a control group").is_some();
        if two_cores && may_limit {
            let limited = Surroundings {
                title: "Over TLS, a core for the start and a seventh for events, as 256 MB have",
                limited: true,
                ..tls
            };
            pin_own("1");
            compare(&programs, &limited, &events, &data_key).await;
            pin_own("0,1");
        }
    }
    sizes(&programs);
    let function = &programs[2].line;
    if two_cores {
        pin_own("1");
        at_once(function).await;
        pin_own("0,1");
    }
    growth(function, &folder.0).await;
    messages();
}

// ------------------------------------------------------------------ the programs

/// The hello first, then the floor and the function.
fn programs(folder: &Path) -> Vec<Program> {
    let release = built(&["--bin", "bootstrap"]);
    built(&["--example", "hello", "--example", "floor"]);
    let rust = |name, file: &str| {
        let file = release.join(file);
        Program {
            name,
            bytes: Some(size(&file)),
            zipped: zipped(&file, folder),
            line: vec![file.to_str().unwrap().to_owned()],
        }
    };
    let mut programs = vec![
        rust("bare hello", "examples/hello"),
        rust("floor", "examples/floor"),
        rust("cognito-sender", "bootstrap"),
    ];
    programs.extend(node(folder).or_else(|| left_out("Node")));
    programs.extend(python().or_else(|| left_out("Python")));
    programs
}

fn left_out<T>(name: &str) -> Option<T> {
    eprintln!("{name} is left out: it, or its package registry, is not to be had here");
    None
}

/// The bundle of the Node handler.
fn node(folder: &Path) -> Option<Program> {
    let bundle = folder.join("index.cjs");
    let script = r#"cp -r benches/node "$0/node" && cd "$0/node" && npm ci --silent &&
        node_modules/.bin/esbuild index.mjs --bundle --minify --platform=node --format=cjs \
            --log-level=error --outfile="$0/index.cjs""#;
    ran(Command::new("sh").args(["-c", script]).arg(folder))?;
    Some(Program {
        name: "Node",
        bytes: Some(size(&bundle)),
        zipped: zipped(&bundle, folder),
        line: vec!["node".to_owned(), bundle.to_str()?.to_owned()],
    })
}

fn python() -> Option<Program> {
    let folder = ran(Command::new(".ci/run").args(["venv", "aws-encryption-sdk"]))?;
    let python = format!("{}/bin/python", folder.trim());
    Some(Program {
        name: "Python",
        bytes: None,
        zipped: None,
        line: vec![python, "benches/python/handler.py".to_owned()],
    })
}

/// What it printed, if it is there and succeeds.
fn ran(command: &mut Command) -> Option<String> {
    let output = command.output().ok()?;
    let out = String::from_utf8(output.stdout).ok()?;
    output.status.success().then_some(out)
}

fn has(program: &str) -> bool {
    ran(Command::new(program).arg("version")).is_some() || left_out::<()>(program).is_some()
}

/// As `cargo lambda build --output-format zip` packs it.
fn zipped(file: &Path, folder: &Path) -> Option<u64> {
    let archive = folder.join("size.zip");
    let script = "import sys, zipfile\n\
                  with zipfile.ZipFile(sys.argv[2], 'w', zipfile.ZIP_DEFLATED) as archive:\n\
                  \x20   archive.write(sys.argv[1], 'bootstrap')";
    ran(Command::new("python3")
        .args(["-c", script])
        .args([file, &archive]))?;
    Some(size(&archive))
}

// ------------------------------------------------------------------ the comparison

async fn compare(
    programs: &[Program],
    around: &Surroundings<'_>,
    events: &[Value],
    data_key: &str,
) {
    let mut measured: Vec<Measured> = programs.iter().map(|_| Measured::default()).collect();
    for _ in 0..around.starts {
        for (program, measured) in programs.iter().zip(&mut measured) {
            measured.start(program, around, events, data_key).await;
        }
    }
    println!("## {}: {} starts\n", around.title, around.starts);
    println!(
        "| program | init | cold | warm | warm p99 | CPU | memory MB |\n|---|---|---|---|---|---|---|"
    );
    for (program, measured) in programs.iter().zip(&measured) {
        let cells = measured.columns().map(|values| {
            let [low, median, high] = quartiles(values);
            format!("{median:.2} ({low:.2}-{high:.2})")
        });
        let [init, cold, warm, cpu, memory] = cells;
        let p99 = percentile(&measured.warm, 99);
        println!(
            "| {} | {init} | {cold} | {warm} | {p99:.2} | {cpu} | {memory} |",
            program.name
        );
    }
    let function = &measured[2];
    for (program, other) in programs.iter().zip(&measured) {
        if program.name == "cognito-sender" {
            continue;
        }
        let ratios = function.columns().into_iter().zip(other.columns());
        let ratios: Vec<String> = ratios
            .map(|(ours, theirs)| format!("{:.2}", quartiles(ours)[1] / quartiles(theirs)[1]))
            .collect();
        let [init, cold, warm, cpu, memory] = ratios.try_into().unwrap();
        println!(
            "| cognito-sender / {} | {init} | {cold} | {warm} | | {cpu} | {memory} |",
            program.name
        );
    }
    println!();
}

impl Measured {
    /// One start, from spawn to the last warm event.
    async fn start(
        &mut self,
        program: &Program,
        around: &Surroundings<'_>,
        events: &[Value],
        data_key: &str,
    ) {
        let aws = StandIn::start(Options::default()).unwrap();
        let mut more = vec![("DATA_KEY", data_key)];
        let roots = around
            .tls
            .map(|tls| tls.roots().to_str().unwrap().to_owned());
        let mut endpoint = aws.endpoint();
        if let (Some(tls), Some(roots)) = (around.tls, &roots) {
            endpoint = tls.before(&endpoint).await;
            more.extend([
                ("AWS_CA_BUNDLE", roots.as_str()),
                ("NODE_EXTRA_CA_CERTS", roots),
            ]);
        }
        let asked = aws.asked();
        // Dropped last: a group is removed when its process is gone.
        let limit = around.limited.then(|| Limit::new().unwrap());
        let (process, begin) = match &limit {
            Some(limit) => limit.start(&program.line, &aws, &endpoint, &more),
            None => {
                let begin = Instant::now();
                let process = Process::start(&[], &program.line, &aws, &endpoint, &more);
                (process, begin)
            }
        };
        asked.await;
        self.init.push(milliseconds(begin.elapsed()));
        // Lambda gives a whole core to the start.
        if let Some(limit) = &limit {
            limit.hold();
        }
        let (first, warm) = events.split_first().unwrap();
        answered(&aws, first).await;
        self.cold.push(milliseconds(begin.elapsed()));
        let cpu = cpu(process.0.id());
        for event in warm {
            if limit.is_some() {
                // Each has the share of a period of its own.
                tokio::time::sleep(2 * PERIOD).await;
            }
            let begin = Instant::now();
            answered(&aws, event).await;
            self.warm.push(milliseconds(begin.elapsed()));
        }
        let cpu = self::cpu(process.0.id()) - cpu;
        self.cpu
            .push(milliseconds(cpu / u32::try_from(EVENTS).unwrap()));
        self.memory.push(megabytes(process.0.id(), "VmHWM:"));
    }

    fn columns(&self) -> [&Vec<f64>; 5] {
        [&self.init, &self.cold, &self.warm, &self.cpu, &self.memory]
    }
}

fn sizes(programs: &[Program]) {
    let told = |bytes: Option<u64>| bytes.map_or("-".to_owned(), in_megabytes);
    println!("## Sizes\n\n| program | MB | zipped MB |\n|---|---|---|");
    for program in programs {
        let (bytes, zipped) = (told(program.bytes), told(program.zipped));
        println!("| {} | {bytes} | {zipped} |", program.name);
    }
    println!();
}

/// A data key that KMS opens, for the floor.
async fn data_key() -> String {
    use base64::Engine as _;
    let aws = StandIn::start(Options::default()).unwrap();
    let config = rig::config(&aws);
    let kms = Clients::new(&config).await.kms;
    let key = kms.generate_data_key().key_id(config.kms_key.as_str());
    let key = key.number_of_bytes(32).send().await.unwrap();
    base64::engine::general_purpose::STANDARD.encode(key.ciphertext_blob.unwrap())
}

// ------------------------------------------------------------------ many at once, and growth

/// Events a second on one core, with so many in flight.
async fn at_once(function: &[String]) {
    const COUNT: usize = 2000;
    println!("## Many events at once, on one core: {COUNT} events\n");
    println!(
        "| in flight | events a second | p50 | p99 | CPU | resident MB |\n|---|---|---|---|---|---|"
    );
    for in_flight in [1, 2, 4, 8, 16, 32, 64] {
        let aws = Arc::new(StandIn::start(Options::default()).unwrap());
        let flights = in_flight.to_string();
        let more = [("AWS_LAMBDA_MAX_CONCURRENCY", flights.as_str())];
        let asked = aws.asked();
        let process = Process::start(&on_core_0(), function, &aws, &aws.endpoint(), &more);
        asked.await;
        let mut events = events(COUNT + 1).await;
        answered(&aws, &events.pop().unwrap()).await;
        let (begin, cpu) = (Instant::now(), cpu(process.0.id()));
        let events = Arc::new(Mutex::new(events));
        let mut lanes = JoinSet::new();
        for _ in 0..in_flight {
            let (aws, events) = (Arc::clone(&aws), Arc::clone(&events));
            lanes.spawn(async move {
                let mut times = Vec::new();
                loop {
                    let next = events.lock().await.pop();
                    let Some(event) = next else { return times };
                    let begin = Instant::now();
                    answered(&aws, &event).await;
                    times.push(milliseconds(begin.elapsed()));
                }
            });
        }
        let times = lanes.join_all().await.concat();
        let elapsed = begin.elapsed().as_secs_f64();
        let count = u32::try_from(COUNT).unwrap();
        let cpu = milliseconds((self::cpu(process.0.id()) - cpu) / count);
        println!(
            "| {in_flight} | {:.0} | {:.2} | {:.2} | {cpu:.2} | {:.1} |",
            f64::from(count) / elapsed,
            percentile(&times, 50),
            percentile(&times, 99),
            megabytes(process.0.id(), "VmRSS:")
        );
    }
    println!();
}

/// What runs a program on one core, a millisecond later.
fn on_core_0() -> Vec<String> {
    ["taskset", "-c", "0"].map(str::to_owned).to_vec()
}

/// Where this process runs, and the stand-in in it.
fn pin_own(cores: &str) {
    let own = process::id().to_string();
    ran(Command::new("taskset").args(["-acp", cores, &own])).unwrap();
}

fn has_two_cores() -> bool {
    let two = std::thread::available_parallelism().unwrap().get() >= 2;
    two && ran(Command::new("taskset").args(["-cp", "1"])).is_some()
        || left_out::<()>("a second core, or taskset,").is_some()
}

/// What more languages, verified numbers and rows cost a warm event.
async fn growth(function: &[String], folder: &Path) {
    let own = folder.join("texts");
    std::fs::create_dir(&own).unwrap();
    let text = std::fs::read("src/messages/en.toml").unwrap();
    for locale in ["is", "sw"] {
        std::fs::write(own.join(format!("{locale}.toml")), &text).unwrap();
    }
    let own = [("MESSAGES_DIR", own.to_str().unwrap())];
    let thirty: Vec<&str> = BUILT_IN.iter().copied().chain(["is", "sw"]).collect();
    println!("## As it grows: {GROWTH} warm events\n");
    println!("| what | warm | warm p99 | CPU | resident MB |\n|---|---|---|---|---|");
    for (what, locales, verified) in [
        ("one language", &["en"][..], None),
        ("30 languages, two of them one's own", &thirty, None),
        ("sandbox, one verified number", &["en"], Some(1)),
        ("sandbox, ten verified numbers", &["en"], Some(10)),
    ] {
        let aws = StandIn::start(Options::default()).unwrap();
        if let Some(count) = verified {
            aws.set_sms_sandbox(true);
            for n in 0..count {
                aws.verify_number(&format!("+120655501{n:02}"));
            }
        }
        grown(what, function, &aws, locales, &own).await;
    }
    for rows in ["1,000", "1,000,000"] {
        let Some((_emulator, endpoint)) = table(&rows.replace(',', "")) else {
            left_out::<()>("moto");
            break;
        };
        let ledger = [
            ("LEDGER_TABLE", "ledger"),
            ("AWS_ENDPOINT_URL_DYNAMODB", endpoint.as_str()),
        ];
        let aws = StandIn::start(Options::default()).unwrap();
        let what = format!("ledger of {rows} rows, in moto");
        grown(&what, function, &aws, &["en"], &ledger).await;
    }
    println!();
}

async fn grown(
    what: &str,
    function: &[String],
    aws: &StandIn,
    locales: &[&str],
    more: &[(&str, &str)],
) {
    let asked = aws.asked();
    let process = Process::start(&[], function, aws, &aws.endpoint(), more);
    asked.await;
    // Each language once before.
    let mut events = events(locales.len() + GROWTH).await;
    for (event, locale) in events.iter_mut().zip(locales.iter().cycle()) {
        event["request"]["userAttributes"]["locale"] = (*locale).into();
    }
    let (first, warm) = events.split_at(locales.len());
    for event in first {
        answered(aws, event).await;
    }
    let cpu = cpu(process.0.id());
    let mut times = Vec::new();
    for event in warm {
        let begin = Instant::now();
        answered(aws, event).await;
        times.push(milliseconds(begin.elapsed()));
    }
    let cpu = (self::cpu(process.0.id()) - cpu) / u32::try_from(GROWTH).unwrap();
    println!(
        "| {what} | {:.2} | {:.2} | {:.2} | {:.1} |",
        percentile(&times, 50),
        percentile(&times, 99),
        milliseconds(cpu),
        megabytes(process.0.id(), "VmRSS:")
    );
}

/// An emulator's DynamoDB whose table has so many rows, and its endpoint.
fn table(rows: &str) -> Option<(Process, String)> {
    let folder = ran(Command::new(".ci/run").args(["venv", "moto[server]"]))?;
    let mut emulator = Command::new(format!("{}/bin/python", folder.trim()))
        .args(["benches/python/table.py", rows])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let out = emulator.stdout.take()?;
    let emulator = Process(emulator);
    let mut port = String::new();
    BufReader::new(out).read_line(&mut port).ok()?;
    (!port.is_empty()).then(|| (emulator, format!("http://127.0.0.1:{}", port.trim())))
}

// ------------------------------------------------------------------ the words

/// In this process: the first message in a language, whose texts are then read,
/// and any later one, in microseconds.
fn rendering(name: &str, render: impl Fn(&str)) {
    let microseconds = |time: Duration| time.as_secs_f64() * 1e6;
    let mut first = Vec::new();
    let mut later = Vec::new();
    for locale in BUILT_IN {
        let begin = Instant::now();
        render(locale);
        first.push(microseconds(begin.elapsed()));
        for _ in 0..50 {
            let begin = Instant::now();
            render(locale);
            later.push(microseconds(begin.elapsed()));
        }
    }
    let ([_, first, _], [_, later, _]) = (quartiles(&first), quartiles(&later));
    println!("one {name}: first in a language {first:.0} us, later {later:.0} us");
}

fn messages() {
    let texts = Texts::new(&TextsConfig {
        app: Some("Acme".to_owned()),
        domain: None,
        last_line: None,
        locale: "en".to_owned(),
        folder: None,
        mfa_minutes: 3,
        password_days: 7,
    });
    let request = |name: &str, locale: &str| {
        let event = std::fs::read_to_string(format!("events/{name}.json")).unwrap();
        let mut event: Value = serde_json::from_str(&event).unwrap();
        event["request"]["userAttributes"]["locale"] = locale.into();
        Request::parse(&event).unwrap()
    };
    let requests = |name: &str| -> Vec<Request> {
        BUILT_IN
            .iter()
            .map(|locale| request(name, locale))
            .collect()
    };
    let code = Secret::from("123456");
    let at = |locale: &str| BUILT_IN.iter().position(|known| *known == locale).unwrap();
    let sms = requests("CustomSMSSender_SignUp");
    let email = requests("CustomEmailSender_SignUp");
    rendering("SMS", |locale| {
        black_box(texts.sms(&sms[at(locale)], &code, None));
    });
    rendering("mail", |locale| {
        black_box(texts.email(&email[at(locale)], &code));
    });
}

// ------------------------------------------------------------------ what the kernel knows

/// A control group of one process, which runs on one core: on two, a thread that
/// waits would hold a part of the share that another needs.
struct Limit {
    folder: PathBuf,
    /// What gives it its share of a core: files in it, and what they then say.
    share: Vec<(&'static str, String)>,
}

impl Limit {
    /// `None` where it may not be made, or has no share to give.
    fn new() -> Option<Self> {
        let name = format!("cognito-sender-{}", process::id());
        let period = PERIOD.as_micros().to_string();
        let quota = format!("{:.0}", PERIOD.as_secs_f64() * 1e6 * SHARE);
        let second = vec![("cpu.max", format!("{quota} {period}"))];
        let first = vec![("cpu.cfs_period_us", period), ("cpu.cfs_quota_us", quota)];
        let versions = [("/sys/fs/cgroup/cpu", first), ("/sys/fs/cgroup", second)];
        versions.into_iter().find_map(|(root, share)| {
            let folder = Path::new(root).join(&name);
            std::fs::create_dir(&folder).ok()?;
            let limit = Self { folder, share };
            let mut files = limit.share.iter();
            let given = files.all(|(file, _)| limit.folder.join(file).exists());
            given.then_some(limit)
        })
    }

    /// Starts a program in it, and tells when. A shell joins, which takes ten
    /// milliseconds, says so, and becomes the program when it gets a line.
    fn start(
        &self,
        program: &[String],
        aws: &StandIn,
        endpoint: &str,
        more: &[(&str, &str)],
    ) -> (Process, Instant) {
        let join = "echo $$ >$0/cgroup.procs; echo; read line; exec \"$@\" >/dev/null";
        let folder = self.folder.to_str().unwrap();
        let shell = ["taskset", "-c", "0", "sh", "-c", join, folder].map(str::to_owned);
        let mut command = rig::command(&shell, program, aws, endpoint, more);
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let said = child.stdout.take().unwrap().read(&mut [0]);
        assert_eq!(said.unwrap(), 1);
        let begin = Instant::now();
        child.stdin.take().unwrap().write_all(b"\n").unwrap();
        (Process(child), begin)
    }

    /// From now on the process has its share, all its threads together.
    fn hold(&self) {
        for (file, value) in &self.share {
            std::fs::write(self.folder.join(file), value).unwrap();
        }
    }
}

impl Drop for Limit {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.folder);
    }
}

/// The time that a process has run, all its threads together.
fn cpu(process: u32) -> Duration {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let spent = threads.filter_map(|thread| {
        // A thread may end meanwhile.
        let spent = std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        spent.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(spent.sum())
}

fn megabytes(process: u32, what: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let value = status.lines().find_map(|line| line.strip_prefix(what));
    let kilobytes = value.unwrap().trim().trim_end_matches(" kB");
    kilobytes.parse::<f64>().unwrap() * 1024.0 / 1e6
}

fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    let model = model
        .unwrap_or("unknown")
        .trim_start_matches([' ', '\t', ':']);
    let versions = [("node", "--version"), ("python3", "--version")];
    let versions = versions.map(|(program, flag)| {
        let version = ran(Command::new(program).arg(flag)).unwrap_or_default();
        format!("{program} {}", version.trim().trim_start_matches("Python "))
    });
    format!("{model}, {}", versions.join(", "))
}

#[expect(clippy::cast_precision_loss, reason = "megabytes to a hundredth")]
fn in_megabytes(bytes: u64) -> String {
    format!("{:.2}", bytes as f64 / 1e6)
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// Lower quartile, median, upper quartile.
fn quartiles(values: &[f64]) -> [f64; 3] {
    [25, 50, 75].map(|percent| percentile(values, percent))
}

fn percentile(values: &[f64], percent: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[(sorted.len() - 1) * percent / 100]
}
