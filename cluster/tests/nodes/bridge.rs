//! A network of hosts on this machine: a bridge, and a network namespace for each host, made and removed by the test.
//!
//! Needs the right to make namespaces; [`Bridge::permitted`] says whether this process has it.

use std::{
    net::{IpAddr, Ipv4Addr},
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

/// Tells the bridges of one process apart.
static BRIDGES: AtomicU32 = AtomicU32::new(0);

/// A bridge between hosts. Dropping it removes everything.
pub(crate) struct Bridge {
    /// Begins the names of its parts.
    name: String,
    /// The third part of the addresses.
    subnet: u8,
    hosts: Vec<u8>,
}

/// A bad link of a host.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Link {
    /// How fast it sends, in kilobits a second.
    pub(crate) kilobits: u32,
    /// Share of the packets to it that are lost.
    pub(crate) loss: f32,
}

impl Bridge {
    /// Why no namespaces can be made here, if so.
    pub(crate) fn permitted() -> Result<(), String> {
        for tool in ["ip", "iptables", "tc"] {
            let found = Command::new(tool)
                .arg("-V")
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status();
            if found.is_err() {
                return Err(format!("the program `{tool}` is not installed"));
            }
        }
        let probe = format!("fp{}", std::process::id());
        let made = attempt(&["ip", "netns", "add", &probe]);
        if made.is_ok() {
            run(&["ip", "netns", "del", &probe]);
        }
        made
    }

    /// A bridge without hosts; this process is on it, with the address of [`gateway`](Self::gateway).
    pub(crate) fn new() -> Self {
        let process = std::process::id();
        let number = BRIDGES.fetch_add(1, Ordering::Relaxed);
        let subnet = u8::try_from((process + number) % 250).expect("it is less than 250");
        let name = format!("fb{}x{number}", process % 100_000);
        let bridge = Self {
            name,
            subnet,
            hosts: Vec::new(),
        };
        run(&["ip", "link", "add", &bridge.name, "type", "bridge"]);
        run(&[
            "ip",
            "addr",
            "add",
            &format!("{}/24", bridge.gateway()),
            "dev",
            &bridge.name,
        ]);
        run(&["ip", "link", "set", &bridge.name, "up"]);
        bridge
    }

    /// The address of this process on the bridge.
    pub(crate) fn gateway(&self) -> IpAddr {
        self.address(254)
    }

    /// The address of a host.
    pub(crate) fn address(&self, host: u8) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(10, 213, self.subnet, host))
    }

    /// Adds a host; its number becomes the last part of its address.
    pub(crate) fn add(&mut self, host: u8) {
        let (namespace, outer, inner) = (self.namespace(host), self.outer(host), "eth0");
        run(&["ip", "netns", "add", &namespace]);
        self.hosts.push(host);
        run(&[
            "ip", "link", "add", &outer, "type", "veth", "peer", "name", inner, "netns", &namespace,
        ]);
        run(&["ip", "link", "set", &outer, "master", &self.name]);
        run(&["ip", "link", "set", &outer, "up"]);
        self.inside(
            host,
            &["ip", "addr", "add", &format!("{}/24", self.address(host)), "dev", inner],
        );
        self.inside(host, &["ip", "link", "set", inner, "up"]);
        self.inside(host, &["ip", "link", "set", "lo", "up"]);
    }

    /// A command that runs on a host.
    pub(crate) fn command(&self, host: u8, program: &std::ffi::OsStr) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace(host)]).arg(program);
        command
    }

    /// Drops what a host sends to another; the other direction stays open.
    pub(crate) fn cut(&self, from: u8, to: u8) {
        let source = self.address(from).to_string();
        self.inside(to, &["iptables", "-w", "-A", "INPUT", "-s", &source, "-j", "DROP"]);
    }

    /// Lets everything through again.
    pub(crate) fn heal(&self) {
        for host in &self.hosts {
            self.inside(*host, &["iptables", "-w", "-F", "INPUT"]);
            // Most links are good.
            let good = ["tc", "qdisc", "del", "dev", "eth0", "root"];
            let _ = attempt(&[&["ip", "netns", "exec", &self.namespace(*host)][..], &good].concat());
        }
    }

    /// Makes the link of a host slow and lossy, until [`heal`](Self::heal).
    pub(crate) fn spoil(&self, host: u8, link: Link) {
        let (rate, loss) = (format!("{}kbit", link.kilobits), link.loss.to_string());
        let slow = ["tc", "qdisc", "replace", "dev", "eth0", "root", "tbf", "rate", &rate];
        self.inside(host, &[&slow[..], &["burst", "16kbit", "latency", "400ms"]].concat());
        let lossy = ["iptables", "-w", "-A", "INPUT", "-m", "statistic", "--mode", "random"];
        self.inside(host, &[&lossy[..], &["--probability", &loss, "-j", "DROP"]].concat());
    }

    fn namespace(&self, host: u8) -> String {
        format!("{}-{host}", self.name)
    }

    fn outer(&self, host: u8) -> String {
        format!("{}v{host}", self.name)
    }

    fn inside(&self, host: u8, command: &[&str]) {
        let namespace = self.namespace(host);
        run(&[&["ip", "netns", "exec", &namespace], command].concat());
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        for host in &self.hosts {
            let _ = attempt(&["ip", "netns", "del", &self.namespace(*host)]);
        }
        let _ = attempt(&["ip", "link", "del", &self.name]);
    }
}

fn attempt(command: &[&str]) -> Result<(), String> {
    let output = Command::new(command[0]).args(&command[1..]).output();
    let output = output.map_err(|error| format!("{}: {error}", command.join(" ")))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "{}: {}",
        command.join(" "),
        String::from_utf8_lossy(&output.stderr).trim()
    ))
}

fn run(command: &[&str]) {
    attempt(command).unwrap_or_else(|error| panic!("{error}"));
}
