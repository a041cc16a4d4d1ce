//! The same joins and cliques written by hand over plain structs, as a floor: what the rules cost is measured against it.

use std::collections::{BTreeSet, HashMap};

use crate::cloud::Cloud;

/// Kinds of objects, for walks.
const INSTANCE: usize = 0;
const SERVICE: usize = 1;
const VNIC: usize = 2;
const BRIDGE: usize = 3;
const SWITCH: usize = 4;
const TUNNEL: usize = 5;
const CARD: usize = 6;
const NETWORK: usize = 7;

/// Link types: name and ends.
const TYPES: [(&str, usize, usize); 9] = [
    ("host_pnic-network", CARD, NETWORK),
    ("instance-vnic", INSTANCE, VNIC),
    ("otep-host_pnic", TUNNEL, CARD),
    ("vconnector-vedge", BRIDGE, SWITCH),
    ("vedge-host_pnic", SWITCH, CARD),
    ("vedge-otep", SWITCH, TUNNEL),
    ("vnic-vconnector", VNIC, BRIDGE),
    ("vnic-vedge", VNIC, SWITCH),
    ("vservice-vnic", SERVICE, VNIC),
];

/// Network steps of the three paths: link type, walked backwards.
const INSTANCE_PATH: [(usize, bool); 8] =
    [(1, false), (6, false), (7, false), (3, false), (5, false), (2, false), (4, false), (0, false)];
const SERVICE_PATH: [(usize, bool); 6] = [(8, false), (7, false), (5, false), (2, false), (4, false), (0, false)];
const NETWORK_PATH: [(usize, bool); 9] =
    [(0, true), (4, true), (2, true), (5, true), (3, true), (7, true), (6, true), (1, true), (8, true)];

pub struct Vnic {
    host: String,
    mac: String,
    device: String,
    owner: String,
    service: bool,
    name: String,
}

pub struct Bridge {
    host: String,
    names: [String; 2],
    mac: String,
}

pub struct Switch {
    id: String,
    host: String,
    /// Id, name, tag.
    ports: Vec<(String, String, i64)>,
}

pub struct Port {
    id: String,
    mac: String,
    host: String,
    network: String,
    device: String,
    project: String,
}

pub struct Network {
    id: String,
    name: String,
    project: String,
    segment: i64,
    cidr: String,
    subnet: String,
}

/// What the joins read, as plain structs.
pub struct Input {
    instances: Vec<(String, String, String, String)>,
    services: Vec<(String, String)>,
    vnics: Vec<Vnic>,
    bridges: Vec<Bridge>,
    switches: Vec<Switch>,
    /// Host, address, switch.
    tunnels: Vec<(String, String, String)>,
    /// Host, name.
    cards: Vec<(String, String)>,
    ports: Vec<Port>,
    networks: Vec<Network>,
    projects: Vec<(String, String)>,
}

impl Input {
    pub fn new(cloud: &Cloud) -> Self {
        let host = |number: u32| cloud.hosts[number as usize].name.to_string();
        let project = |number: u32| cloud.projects[number as usize].0.to_string();
        let mut vnics = Vec::new();
        let mut bridges = Vec::new();
        for instance in &cloud.instances {
            let port = &cloud.ports[instance.port as usize];
            let short = &port.id[..11];
            vnics.push(Vnic {
                host: host(instance.host),
                mac: port.mac.to_string(),
                device: format!("tap{short}"),
                owner: instance.id.to_string(),
                service: false,
                name: instance.vnic_id.to_string(),
            });
            bridges.push(Bridge {
                host: host(instance.host),
                names: [format!("qvb{short}"), format!("tap{short}")],
                mac: port.mac.to_string(),
            });
        }
        for service in &cloud.services {
            let port = &cloud.ports[service.port as usize];
            let device = format!("tap{}", &port.id[..11]);
            vnics.push(Vnic {
                host: host(service.host),
                mac: port.mac.to_string(),
                owner: service.id.to_string(),
                service: true,
                name: device.clone(),
                device,
            });
        }
        let mut cards = Vec::new();
        let mut switches = Vec::new();
        let mut tunnels = Vec::new();
        for (number, known) in cloud.hosts.iter().enumerate() {
            let id = format!("{}-switch", known.name);
            tunnels.push((known.name.to_string(), known.tunnel_address.to_string(), id.clone()));
            cards.extend(["eth0", "eth1"].map(|card| (known.name.to_string(), card.to_string())));
            let ports = cloud.switch_ports[number].iter();
            let ports = ports.map(|port| (port.id.to_string(), port.name.to_string(), port.tag)).collect();
            switches.push(Switch { id, host: known.name.to_string(), ports });
        }
        let instances = cloud.instances.iter();
        let services = cloud.services.iter();
        let ports = cloud.ports.iter();
        let networks = cloud.networks.iter();
        Self {
            instances: instances
                .map(|known| (known.id.to_string(), known.name.to_string(), project(known.project), host(known.host)))
                .collect(),
            services: services.map(|known| (known.id.to_string(), host(known.host))).collect(),
            vnics,
            bridges,
            switches,
            tunnels,
            cards,
            ports: ports
                .map(|port| Port {
                    id: port.id.to_string(),
                    mac: port.mac.to_string(),
                    host: host(port.host),
                    network: cloud.networks[port.network as usize].id.to_string(),
                    device: port.device.to_string(),
                    project: project(port.project),
                })
                .collect(),
            networks: networks
                .map(|network| Network {
                    id: network.id.to_string(),
                    name: network.name.to_string(),
                    project: project(network.project),
                    segment: network.segment,
                    cidr: network.cidr.to_string(),
                    subnet: network.subnet.to_string(),
                })
                .collect(),
            projects: cloud.projects.iter().map(|(id, name)| (id.to_string(), name.to_string())).collect(),
        }
    }
}

/// Networks that a link carries.
pub enum Carries {
    One(u32),
    Many(Vec<u32>),
}

pub struct Link {
    from: u32,
    to: u32,
    pub name: String,
    pub host: String,
    /// Other attributes, in the order of their names.
    pub attributes: Vec<(&'static str, String)>,
    carries: Carries,
}

/// Derived attributes, by object.
#[derive(Default)]
pub struct Derived {
    pub vnic_port: Vec<Option<u32>>,
    pub vnic_network: Vec<Option<u32>>,
    pub vnic_network_name: Vec<Option<String>>,
    /// Switch and port.
    pub vnic_switch: Vec<Option<(String, String)>>,
    pub vnic_bridge: Vec<Option<u32>>,
    pub bridge_networks: Vec<Vec<u32>>,
    pub bridge_switch: Vec<Option<(String, String)>>,
    pub instance_networks: Vec<Vec<u32>>,
    pub instance_project: Vec<Option<String>>,
    pub instance_mac: Vec<Option<String>>,
    pub network_hosts: Vec<Vec<String>>,
    pub network_project: Vec<Option<String>>,
    pub network_subnets: Vec<(Vec<String>, Vec<String>)>,
    pub port_project: Vec<Option<String>>,
    pub tunnel_networks: Vec<Vec<u32>>,
    pub card_port: Vec<Option<(String, String)>>,
    pub card_tunnel: Vec<Option<u32>>,
    pub card_networks: Vec<Vec<u32>>,
    pub service_networks: Vec<Vec<u32>>,
}

pub struct Clique {
    pub nodes: Vec<(usize, u32)>,
    pub links: Vec<(usize, u32)>,
}

pub struct Output {
    pub derived: Derived,
    pub links: Vec<Vec<Link>>,
    pub cliques: Vec<Clique>,
}

impl Output {
    pub fn counts(&self) -> Vec<(&'static str, usize)> {
        TYPES.iter().zip(&self.links).map(|((name, _, _), links)| (*name, links.len())).collect()
    }
}

pub fn derive(input: &Input) -> Output {
    let derived = attributes(input);
    let links = links(input, &derived);
    let cliques = cliques(input, &derived, &links);
    Output { derived, links, cliques }
}

type By<'a> = HashMap<(&'a str, &'a str), u32>;

fn device_bridges(input: &Input) -> By<'_> {
    let mut by = By::new();
    for (number, bridge) in input.bridges.iter().enumerate() {
        for name in &bridge.names {
            by.insert((&bridge.host, name), number as u32);
        }
    }
    by
}

fn switch_ports(input: &Input) -> HashMap<(&str, &str), (u32, u32)> {
    let mut by = HashMap::new();
    for (number, switch) in input.switches.iter().enumerate() {
        for (place, port) in switch.ports.iter().enumerate() {
            by.insert((switch.host.as_str(), port.1.as_str()), (number as u32, place as u32));
        }
    }
    by
}

fn sorted(mut numbers: Vec<u32>) -> Vec<u32> {
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

fn attributes(input: &Input) -> Derived {
    let mut derived = Derived::default();
    let projects: HashMap<&str, &str> = input.projects.iter().map(|(id, name)| (id.as_str(), name.as_str())).collect();
    let project = |id: &str| projects.get(id).map(ToString::to_string);
    let networks: HashMap<&str, u32> =
        input.networks.iter().enumerate().map(|(number, network)| (network.id.as_str(), number as u32)).collect();
    let mut by_short: By<'_> = By::new();
    let mut by_host: By<'_> = By::new();
    let mut by_device: HashMap<&str, Vec<u32>> = HashMap::new();
    let mut hosts: Vec<BTreeSet<&str>> = input.networks.iter().map(|_| BTreeSet::new()).collect();
    for (number, port) in input.ports.iter().enumerate() {
        by_short.insert((&port.mac, &port.id[..11]), number as u32);
        by_host.insert((&port.mac, &port.host), number as u32);
        by_device.entry(&port.device).or_default().push(number as u32);
        hosts[networks[port.network.as_str()] as usize].insert(&port.host);
        derived.port_project.push(project(&port.project));
    }
    let ports = switch_ports(input);
    let switch_port = |host: &str, name: &str| {
        let (switch, place) = ports.get(&(host, name))?;
        let switch = &input.switches[*switch as usize];
        Some((switch.id.clone(), switch.ports[*place as usize].1.clone()))
    };
    let bridges = device_bridges(input);
    let mut by_instance: HashMap<&str, Vec<u32>> = HashMap::new();
    let mut by_service: HashMap<&str, Vec<u32>> = HashMap::new();
    let mut by_vnic: HashMap<(&str, &str), u32> = HashMap::new();
    for (number, vnic) in input.vnics.iter().enumerate() {
        let port = by_short.get(&(vnic.mac.as_str(), &vnic.device[3..]));
        let port = port.or_else(|| by_host.get(&(vnic.mac.as_str(), vnic.host.as_str()))).copied();
        derived.vnic_port.push(port);
        let network = port.map(|port| networks[input.ports[port as usize].network.as_str()]);
        derived.vnic_network.push(network);
        derived.vnic_network_name.push(network.map(|network| input.networks[network as usize].name.clone()));
        derived.vnic_switch.push(switch_port(&vnic.host, &vnic.device));
        derived.vnic_bridge.push(bridges.get(&(vnic.host.as_str(), vnic.device.as_str())).copied());
        by_vnic.insert((&vnic.host, &vnic.device), number as u32);
        let owners = if vnic.service { &mut by_service } else { &mut by_instance };
        owners.entry(&vnic.owner).or_default().push(number as u32);
    }
    for bridge in &input.bridges {
        let found = bridge.names.iter().filter_map(|name| by_vnic.get(&(bridge.host.as_str(), name.as_str())));
        derived.bridge_networks.push(sorted(found.filter_map(|vnic| derived.vnic_network[*vnic as usize]).collect()));
        let outside = bridge.names.iter().find_map(|name| name.strip_prefix("qvb"));
        derived.bridge_switch.push(outside.and_then(|name| switch_port(&bridge.host, &format!("qvo{name}"))));
    }
    let of = |vnics: Option<&Vec<u32>>| {
        sorted(vnics.into_iter().flatten().filter_map(|vnic| derived.vnic_network[*vnic as usize]).collect())
    };
    for (id, _, owner, _) in &input.instances {
        let found = by_device.get(id.as_str()).into_iter().flatten();
        let found = found.map(|port| networks[input.ports[*port as usize].network.as_str()]);
        derived.instance_networks.push(sorted(found.collect()));
        derived.instance_project.push(project(owner));
        let vnic = by_instance.get(id.as_str()).and_then(|vnics| vnics.last());
        derived.instance_mac.push(vnic.map(|vnic| input.vnics[*vnic as usize].mac.clone()));
    }
    for (id, _) in &input.services {
        derived.service_networks.push(of(by_service.get(id.as_str())));
    }
    let mut on_host: HashMap<&str, Vec<u32>> = HashMap::new();
    for (number, network) in input.networks.iter().enumerate() {
        for host in &hosts[number] {
            on_host.entry(host).or_default().push(number as u32);
        }
        derived.network_hosts.push(hosts[number].iter().map(ToString::to_string).collect());
        derived.network_project.push(project(&network.project));
        derived.network_subnets.push((vec![network.cidr.clone()], vec![network.subnet.clone()]));
    }
    let mut addresses: HashMap<(&str, &str), u32> = HashMap::new();
    for (number, (host, address, _)) in input.tunnels.iter().enumerate() {
        derived.tunnel_networks.push(on_host.get(host.as_str()).cloned().unwrap_or_default());
        addresses.insert((host, address), number as u32);
    }
    let by_host: HashMap<&str, u32> =
        input.tunnels.iter().enumerate().map(|(number, tunnel)| (tunnel.0.as_str(), number as u32)).collect();
    for (host, name) in &input.cards {
        let port = switch_port(host, name);
        // The bridge of the tunnel address has the second card.
        let tunnel = (name == "eth1").then(|| by_host.get(host.as_str()).copied()).flatten();
        let tunnel =
            tunnel.and_then(|tunnel| addresses.get(&(host.as_str(), input.tunnels[tunnel as usize].1.as_str())));
        let networks = tunnel.and_then(|_| on_host.get(host.as_str())).cloned().unwrap_or_default();
        derived.card_port.push(port);
        derived.card_tunnel.push(tunnel.copied());
        derived.card_networks.push(networks);
    }
    derived
}

fn links(input: &Input, derived: &Derived) -> Vec<Vec<Link>> {
    let mut all: Vec<Vec<Link>> = TYPES.iter().map(|_| Vec::new()).collect();
    let instances: HashMap<&str, u32> =
        input.instances.iter().enumerate().map(|(number, known)| (known.0.as_str(), number as u32)).collect();
    let services: HashMap<&str, u32> =
        input.services.iter().enumerate().map(|(number, known)| (known.0.as_str(), number as u32)).collect();
    let bridges = device_bridges(input);
    let ports = switch_ports(input);
    let carries = |network: Option<u32>| network.map_or_else(|| Carries::Many(Vec::new()), Carries::One);
    let kind = || ("vedge_type", "OVS".to_string());
    for (number, vnic) in input.vnics.iter().enumerate() {
        let from = number as u32;
        let network = derived.vnic_network[number];
        let name = || derived.vnic_network_name[number].clone().unwrap_or_default();
        let link = |from: u32, to: u32, name: String, attributes: Vec<(&'static str, String)>| Link {
            from,
            to,
            name,
            host: vnic.host.clone(),
            attributes,
            carries: carries(network),
        };
        let (owners, place) = if vnic.service { (&services, 8) } else { (&instances, 1) };
        if let Some(owner) = owners.get(vnic.owner.as_str()) {
            all[place].push(link(*owner, from, name(), Vec::new()));
        }
        if let Some(bridge) = bridges.get(&(vnic.host.as_str(), vnic.device.as_str())) {
            all[6].push(link(from, *bridge, vnic.mac.clone(), Vec::new()));
        }
        if let Some((switch, place)) = ports.get(&(vnic.host.as_str(), vnic.device.as_str())) {
            let known = &input.switches[*switch as usize];
            let port = &known.ports[*place as usize];
            let attributes = vec![("source_label", vnic.mac.clone()), ("target_label", port.0.clone()), kind()];
            all[7].push(link(from, *switch, format!("{}-{}-{}", vnic.name, known.id, port.2), attributes));
        }
    }
    for (number, bridge) in input.bridges.iter().enumerate() {
        for name in bridge.names.iter().filter(|name| name.starts_with("qvb")) {
            let peer = format!("qvo{}", &name[3..]);
            let Some((switch, place)) = ports.get(&(bridge.host.as_str(), peer.as_str())) else { continue };
            let port = &input.switches[*switch as usize].ports[*place as usize];
            all[3].push(Link {
                from: number as u32,
                to: *switch,
                name: format!("port-{}-{}", port.0, port.2),
                host: bridge.host.clone(),
                attributes: vec![
                    ("mac_address", bridge.mac.clone()),
                    ("source_label", name.clone()),
                    ("target_label", port.1.clone()),
                    kind(),
                ],
                carries: Carries::Many(derived.bridge_networks[number].clone()),
            });
        }
    }
    let switches: HashMap<&str, u32> =
        input.switches.iter().enumerate().map(|(number, known)| (known.id.as_str(), number as u32)).collect();
    for (number, (host, _, switch)) in input.tunnels.iter().enumerate() {
        let carried = || Carries::Many(derived.tunnel_networks[number].clone());
        if let Some(from) = switches.get(switch.as_str()) {
            let name = format!("{switch}-otep");
            let (to, host) = (number as u32, host.clone());
            all[5].push(Link { from: *from, to, name, host, attributes: vec![kind()], carries: carried() });
        }
    }
    let mut by_host: HashMap<&str, Vec<u32>> = HashMap::new();
    for (number, hosts) in derived.network_hosts.iter().enumerate() {
        for host in hosts {
            by_host.entry(host).or_default().push(number as u32);
        }
    }
    for (number, (host, name)) in input.cards.iter().enumerate() {
        let to = number as u32;
        if let Some((switch, place)) = ports.get(&(host.as_str(), name.as_str())) {
            let name = format!("Port-{}", input.switches[*switch as usize].ports[*place as usize].0);
            let carries = Carries::Many(derived.card_networks[number].clone());
            all[4].push(Link { from: *switch, to, name, host: host.clone(), attributes: Vec::new(), carries });
        }
        let Some(tunnel) = derived.card_tunnel[number] else { continue };
        all[2].push(Link {
            from: tunnel,
            to,
            name: format!("{host}-pnic-{name}"),
            host: host.clone(),
            attributes: vec![("target_label", "through a bridge".to_string())],
            carries: Carries::Many(derived.tunnel_networks[tunnel as usize].clone()),
        });
        for network in by_host.get(host.as_str()).into_iter().flatten() {
            all[0].push(Link {
                from: to,
                to: *network,
                name: format!("Segment-{}", input.networks[*network as usize].segment),
                host: host.clone(),
                attributes: vec![("source_label", "port".to_string())],
                carries: Carries::One(*network),
            });
        }
    }
    all
}

struct Walker<'a> {
    links: &'a [Vec<Link>],
    /// By link type and side: links of each object.
    by_end: Vec<[Vec<Vec<u32>>; 2]>,
    seen_nodes: Vec<Vec<u32>>,
    seen_links: Vec<Vec<u32>>,
    walk: u32,
}

impl Walker<'_> {
    fn walk(&mut self, kind: usize, focal: u32, allowed: &[u32], path: &[(usize, bool)]) -> Option<Clique> {
        self.walk += 1;
        let mut members: [Vec<u32>; 8] = Default::default();
        members[kind].push(focal);
        let mut taken = Vec::new();
        for (link_type, backwards) in path {
            let (_, from, to) = TYPES[*link_type];
            let (from, to, side) = if *backwards { (to, from, 1) } else { (from, to, 0) };
            let mut reached = Vec::new();
            for node in &members[from] {
                for number in &self.by_end[*link_type][side][*node as usize] {
                    let link = &self.links[*link_type][*number as usize];
                    let passes = match &link.carries {
                        Carries::One(network) => allowed.contains(network),
                        Carries::Many(networks) => allowed.iter().any(|one| networks.binary_search(one).is_ok()),
                    };
                    if !passes || self.seen_links[*link_type][*number as usize] == self.walk {
                        continue;
                    }
                    self.seen_links[*link_type][*number as usize] = self.walk;
                    taken.push((*link_type, *number));
                    let other = if *backwards { link.from } else { link.to };
                    if self.seen_nodes[to][other as usize] != self.walk {
                        self.seen_nodes[to][other as usize] = self.walk;
                        reached.push(other);
                    }
                }
            }
            members[to].extend(reached);
        }
        let nodes = members.iter().enumerate().flat_map(|(kind, found)| found.iter().map(move |node| (kind, *node)));
        (!taken.is_empty()).then(|| Clique { nodes: nodes.collect(), links: taken })
    }
}

fn cliques(input: &Input, derived: &Derived, links: &[Vec<Link>]) -> Vec<Clique> {
    let sizes = [
        input.instances.len(),
        input.services.len(),
        input.vnics.len(),
        input.bridges.len(),
        input.switches.len(),
        input.tunnels.len(),
        input.cards.len(),
        input.networks.len(),
    ];
    let mut by_end: Vec<[Vec<Vec<u32>>; 2]> =
        TYPES.iter().map(|(_, from, to)| [vec![Vec::new(); sizes[*from]], vec![Vec::new(); sizes[*to]]]).collect();
    for (link_type, links) in links.iter().enumerate() {
        for (number, link) in links.iter().enumerate() {
            by_end[link_type][0][link.from as usize].push(number as u32);
            by_end[link_type][1][link.to as usize].push(number as u32);
        }
    }
    let mut walker = Walker {
        links,
        by_end,
        seen_nodes: sizes.iter().map(|size| vec![0; *size]).collect(),
        seen_links: links.iter().map(|links| vec![0; links.len()]).collect(),
        walk: 0,
    };
    let mut all = Vec::new();
    for (focal, allowed) in derived.instance_networks.iter().enumerate() {
        all.extend(walker.walk(INSTANCE, focal as u32, allowed, &INSTANCE_PATH));
    }
    for (focal, allowed) in derived.service_networks.iter().enumerate() {
        all.extend(walker.walk(SERVICE, focal as u32, allowed, &SERVICE_PATH));
    }
    for focal in 0..input.networks.len() as u32 {
        all.extend(walker.walk(NETWORK, focal, &[focal], &NETWORK_PATH));
    }
    all
}
