//! The rules that `docker-compose.yml` and `Dockerfile` keep, read from the files themselves.
//!
//! No container engine is needed, so that a change which opens a port, runs something as root or outgrows a small server
//! is seen wherever tests run. Whether all of it works is what `scripts/compose-trial.sh` tries.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::Deserialize;

/// What all limits of memory may come to, so that a server with 1 GB keeps room for its system.
const MEMORY_MAX_MIB: u64 = 850;
/// The programs of this workspace that are services.
const PROGRAMS: [&str; 3] = ["ingestor", "indicator-worker", "notifier"];

#[derive(Debug, Deserialize)]
struct Compose {
    services: BTreeMap<String, Service>,
    networks: BTreeMap<String, Option<Network>>,
    volumes: BTreeMap<String, Option<Volume>>,
}

/// A service, as far as rules look at it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Service {
    build: Option<Build>,
    cap_add: Vec<String>,
    cap_drop: Vec<String>,
    container_name: Option<String>,
    cpus: Option<f64>,
    depends_on: BTreeMap<String, Dependency>,
    environment: BTreeMap<String, String>,
    healthcheck: Option<HealthCheck>,
    image: Option<String>,
    logging: Option<Logging>,
    mem_limit: String,
    network_mode: Option<String>,
    networks: BTreeSet<String>,
    pids_limit: u32,
    ports: Vec<String>,
    privileged: bool,
    profiles: Vec<String>,
    read_only: bool,
    restart: String,
    security_opt: Vec<String>,
    user: String,
    volumes: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Build {
    target: String,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    condition: String,
}

#[derive(Debug, Deserialize)]
struct HealthCheck {
    test: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Logging {
    options: BTreeMap<String, String>,
}

/// A named volume.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Volume {
    external: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Network {
    internal: bool,
    driver_opts: BTreeMap<String, String>,
}

/// `grafana/prometheus.yml`, as far as it names services.
#[derive(Debug, Deserialize)]
struct Scraping {
    scrape_configs: Vec<Job>,
}

#[derive(Debug, Deserialize)]
struct Job {
    job_name: String,
    #[serde(default)]
    dns_sd_configs: Vec<Discovery>,
}

#[derive(Debug, Deserialize)]
struct Discovery {
    names: Vec<String>,
    port: u16,
}

impl Service {
    /// Whether it runs on: what ends at once is gated upon, not watched.
    fn runs_on(&self) -> bool {
        self.restart != "no"
    }

    fn memory_mib(&self) -> u64 {
        self.mem_limit.strip_suffix('m').and_then(|mib| mib.parse().ok()).expect("a limit in m")
    }
}

fn repository() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn text(file: &str) -> String {
    std::fs::read_to_string(repository().join(file)).unwrap()
}

fn compose() -> Compose {
    serde_saphyr::from_str(&text("docker-compose.yml")).unwrap()
}

/// The instructions of the Dockerfile that begin with this word, without it.
fn instructions(word: &str) -> Vec<String> {
    let joined = text("Dockerfile").replace("\\\n", " ");
    let lines = joined.lines().filter_map(|line| line.strip_prefix(word)?.strip_prefix(' '));
    lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn nobody_has_more_rights_than_it_needs() {
    for (name, service) in compose().services {
        assert!(service.read_only, "{name}: the root file system");
        assert_eq!(service.cap_drop, ["ALL"], "{name}");
        assert_eq!(service.cap_add, [""; 0], "{name}");
        assert_eq!(service.security_opt, ["no-new-privileges:true"], "{name}");
        assert!(!service.privileged, "{name}");
        let user: u32 = service.user.split(':').next().unwrap().parse().expect("a number: names differ between images");
        assert_ne!(user, 0, "{name} is root");
        let socket = service.volumes.iter().find(|volume| volume.contains("docker.sock"));
        assert_eq!(socket, None, "{name} would own the machine");
    }
}

#[test]
fn no_program_is_published_and_nothing_beyond_this_machine() {
    let mut published = BTreeMap::new();
    for (name, service) in compose().services {
        for port in service.ports {
            assert!(port.starts_with("127.0.0.1:"), "{name}: {port}");
            published.insert(name.clone(), port.rsplit(':').next().unwrap().to_owned());
        }
    }
    let expected = [("alertmanager", "9093"), ("grafana", "3000"), ("prometheus", "9090"), ("redis", "6379")];
    assert_eq!(published, expected.map(|(name, port)| (name.to_owned(), port.to_owned())).into());
}

#[test]
fn only_those_who_talk_to_the_world_have_a_way_out() {
    let compose = compose();
    let mut outside = BTreeSet::new();
    for (name, service) in &compose.services {
        if let Some(mode) = &service.network_mode {
            assert_eq!(mode, "none", "{name}");
            continue;
        }
        assert!(!service.networks.is_empty(), "{name} would be in the default network, which has a way out");
        for network in &service.networks {
            let network = compose.networks[network].as_ref();
            let masquerade =
                network.and_then(|it| it.driver_opts.get("com.docker.network.bridge.enable_ip_masquerade"));
            if !network.is_some_and(|it| it.internal) && masquerade.is_none_or(|value| value != "false") {
                outside.insert(name.as_str());
            }
        }
    }
    assert_eq!(outside, BTreeSet::from(["alertmanager", "ingestor", "notifier"]));
}

#[test]
fn all_limits_together_fit_a_server_with_one_gigabyte() {
    let (mut always, mut with_profiles) = (0, 0);
    for (name, service) in compose().services {
        let cpus = service.cpus.expect("a limit");
        // One that asks for more cores than there are does not start.
        assert!(cpus > 0.0 && cpus <= 1.0, "{name}: {cpus}");
        assert!((1..=128).contains(&service.pids_limit), "{name}: {}", service.pids_limit);
        let log = &service.logging.as_ref().expect("a limit").options;
        assert!(log.contains_key("max-size") && log.contains_key("max-file"), "{name}: {log:?}");
        if service.runs_on() {
            with_profiles += service.memory_mib();
            always += if service.profiles.is_empty() { service.memory_mib() } else { 0 };
        }
    }
    assert!(with_profiles <= MEMORY_MAX_MIB, "{with_profiles} MiB");
    let said = format!("{always} MiB of memory, {with_profiles} with the profile \"alerts\"");
    assert!(text("docker-compose.yml").contains(&said), "it is {said}");
    let worker = compose().services["indicator-worker"].memory_mib();
    assert!(text("docker-compose.yml").contains(&format!("and {worker} more for each further worker")));
}

#[test]
fn every_service_is_started_again_and_says_how_it_is() {
    let (compose, health_checks) = (compose(), instructions("HEALTHCHECK"));
    for (name, service) in &compose.services {
        if !service.runs_on() {
            continue;
        }
        assert_eq!(service.restart, "unless-stopped", "{name}");
        let by_image = health_checks.iter().any(|check| check.ends_with(&format!("CMD [\"{name}\", \"health\"]")));
        let by_service =
            service.healthcheck.as_ref().is_some_and(|check| check.test.first().is_some_and(|it| it != "NONE"));
        assert!(by_image != by_service, "{name}: by its image {by_image}, by the service {by_service}");
        for (other, dependency) in &service.depends_on {
            let gate =
                if compose.services[other].runs_on() { "service_healthy" } else { "service_completed_successfully" };
            assert_eq!(dependency.condition, gate, "{name} waits for {other}");
        }
    }
    for program in PROGRAMS {
        let waits_for: Vec<&str> = compose.services[program].depends_on.keys().map(String::as_str).collect();
        assert_eq!(waits_for, ["redis"], "{program}");
    }
}

#[test]
fn every_image_is_one_that_has_a_tag() {
    let stages: BTreeSet<String> =
        instructions("FROM").iter().filter_map(|from| Some(from.split_once(" AS ")?.1.to_owned())).collect();
    let bases = instructions("FROM").into_iter().map(|from| from.split(' ').next().unwrap().to_owned());
    let mut images: BTreeSet<String> = bases.filter(|base| !stages.contains(base)).collect();
    for (name, service) in compose().services {
        match (service.image, service.build) {
            (Some(image), None) => drop(images.insert(image)),
            (None, Some(build)) => assert!(stages.contains(&build.target), "{name}: no stage {}", build.target),
            other => panic!("{name}: {other:?}"),
        }
    }
    let trial = text("scripts/stand-in-images.sh");
    for image in images {
        let (_, tag) = image.split_once(':').expect("a tag");
        assert!(tag != "latest" && tag.contains(|c: char| c.is_ascii_digit() || c == '-'), "{image}");
        assert!(trial.contains(&image), "the trial has no stand-in for {image}");
    }
}

#[test]
fn what_is_mounted_exists_and_only_data_can_be_written() {
    let compose = compose();
    let mut used = BTreeSet::new();
    for (name, service) in &compose.services {
        for volume in &service.volumes {
            let parts: Vec<&str> = volume.split(':').collect();
            if let Some(path) = parts[0].strip_prefix("./") {
                assert_eq!(parts.get(2), Some(&"ro"), "{name}: {volume}");
                assert!(repository().join(path).exists(), "{name}: {path}");
            } else {
                assert!(compose.volumes.contains_key(parts[0]), "{name}: {volume}");
                used.insert(parts[0].to_owned());
            }
        }
    }
    for (name, volume) in &compose.volumes {
        assert!(volume.as_ref().is_none_or(|volume| !volume.external), "{name} would have to be made by hand");
    }
    assert_eq!(used, compose.volumes.into_keys().collect());
}

#[test]
fn workers_can_be_scaled_and_prometheus_finds_each_once() {
    let (compose, scraping) = (compose(), serde_saphyr::from_str::<Scraping>(&text("grafana/prometheus.yml")).unwrap());
    let prometheus = &compose.services["prometheus"];
    let mut jobs = BTreeSet::new();
    for job in scraping.scrape_configs {
        let [discovery] = &job.dns_sd_configs[..] else { continue };
        if !PROGRAMS.contains(&job.job_name.as_str()) {
            continue;
        }
        assert_eq!(discovery.names, [job.job_name.as_str()]);
        let service = &compose.services[&job.job_name];
        assert_eq!((&service.container_name, &service.ports[..]), (&None, &[][..]), "{}", job.job_name);
        let variable = format!("CANDLEWIRE__HTTP__{}", job.job_name.replace('-', "_").to_uppercase());
        assert_eq!(service.environment[&variable], format!("0.0.0.0:{}", discovery.port));
        // The name server knows a container by its address in each network that it shares with who asks.
        assert_eq!(prometheus.networks.intersection(&service.networks).count(), 1, "{}", job.job_name);
        jobs.insert(job.job_name);
    }
    assert_eq!(jobs, PROGRAMS.map(str::to_owned).into());
}

#[test]
fn the_image_is_built_from_what_is_there() {
    let (manifest, ignored) = (text("Cargo.toml"), text(".dockerignore"));
    let copied = instructions("COPY");
    let members = manifest.split_once("members = [").and_then(|(_, rest)| rest.split_once(']')).unwrap().0;
    for member in members.split(',').map(|member| member.trim().trim_matches('"')) {
        assert!(
            copied.contains(&format!("{member}/Cargo.toml {member}/")),
            "the Dockerfile has no manifest of {member}"
        );
        let sent = [format!("!{member}"), format!("!{member}/Cargo.toml")];
        assert!(ignored.lines().any(|line| sent.iter().any(|it| it == line)), ".dockerignore keeps {member} back");
    }
    let toolchain = manifest.split_once("rust-version = \"").and_then(|(_, rest)| rest.split_once('"')).unwrap().0;
    assert!(instructions("FROM")[0].starts_with(&format!("rust:{toolchain}-")), "{toolchain}");
    let label = format!("org.opencontainers.image.version=\"{}\"", env!("CARGO_PKG_VERSION"));
    assert!(instructions("LABEL").concat().contains(&label), "{label}");
}
