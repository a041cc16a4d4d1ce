//! A made-up cloud of any size: the same for the same seed.

use std::sync::Arc;

use calipso_model::{Map, Object, ObjectKey, Str, Value};

/// Instances of one host.
const INSTANCES_PER_HOST: usize = 50;
/// Instances of one network.
const INSTANCES_PER_NETWORK: usize = 25;

pub struct Host {
    pub name: Str,
    pub tunnel_address: Str,
}

pub struct Network {
    pub id: Str,
    pub name: Str,
    pub segment: i64,
    pub project: u32,
    pub cidr: Str,
    pub subnet: Str,
}

pub struct Port {
    pub id: Str,
    pub mac: Str,
    pub host: u32,
    pub network: u32,
    pub device: Str,
    pub project: u32,
}

/// An instance with its one card, port and bridge.
pub struct Instance {
    pub id: Str,
    pub name: Str,
    pub host: u32,
    pub project: u32,
    pub port: u32,
    pub vnic_id: Str,
    pub bridge_id: Str,
}

/// A service of a network, with its card and port.
pub struct Service {
    pub id: Str,
    pub host: u32,
    pub port: u32,
    pub vnic_id: Str,
}

pub struct SwitchPort {
    pub id: Str,
    pub name: Str,
    pub tag: i64,
}

pub struct Cloud {
    pub hosts: Vec<Host>,
    pub projects: Vec<(Str, Str)>,
    pub networks: Vec<Network>,
    pub ports: Vec<Port>,
    pub instances: Vec<Instance>,
    pub services: Vec<Service>,
    /// By host.
    pub switch_ports: Vec<Vec<SwitchPort>>,
}

/// Numbers that look random and are not (splitmix64).
pub struct Seed(pub u64);

impl Seed {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn uuid(&mut self) -> String {
        let (a, b) = (self.next(), self.next());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            a >> 32,
            (a >> 16) & 0xffff,
            a & 0xfff,
            0x8000 | (b >> 48 & 0x3fff),
            b & 0xffff_ffff_ffff
        )
    }

    fn mac(&mut self) -> String {
        let bits = self.next();
        format!("fa:16:3e:{:02x}:{:02x}:{:02x}", bits & 0xff, bits >> 8 & 0xff, bits >> 16 & 0xff)
    }
}

impl Cloud {
    /// A cloud of about so many objects.
    pub fn new(objects: usize, seed: u64) -> Self {
        let mut seed = Seed(seed);
        // Per host: itself, agent, switch, end point, two cards; per instance: four; per network: itself and three for its service.
        let per_host = 6 + INSTANCES_PER_HOST * 4 + INSTANCES_PER_HOST / INSTANCES_PER_NETWORK * 4;
        let n_hosts = (objects / per_host).max(1);
        let n_networks = (n_hosts * INSTANCES_PER_HOST / INSTANCES_PER_NETWORK).max(1);
        let n_projects = (n_networks / 4).max(1);
        let hosts: Vec<Host> = (0..n_hosts)
            .map(|n| Host {
                name: format!("compute-{n:05}.example").into(),
                tunnel_address: format!("10.{}.{}.{}", n >> 16, n >> 8 & 255, n & 255).into(),
            })
            .collect();
        let projects = (0..n_projects).map(|n| (seed.uuid().into(), format!("project {n}").into())).collect();
        let networks: Vec<Network> = (0..n_networks)
            .map(|n| Network {
                id: seed.uuid().into(),
                name: format!("net-{n}").into(),
                segment: 1_000 + n as i64,
                project: seed.below(n_projects) as u32,
                cidr: format!("192.{}.{}.0/24", n >> 8 & 255, n & 255).into(),
                subnet: seed.uuid().into(),
            })
            .collect();
        let mut cloud = Self {
            switch_ports: hosts.iter().map(|_| Vec::new()).collect(),
            hosts,
            projects,
            networks,
            ports: Vec::new(),
            instances: Vec::new(),
            services: Vec::new(),
        };
        for host in 0..n_hosts {
            for name in ["eth1", "patch-tun"] {
                cloud.switch_ports[host].push(SwitchPort { id: seed.uuid().into(), name: name.into(), tag: 0 });
            }
            for _ in 0..INSTANCES_PER_HOST {
                let network = seed.below(n_networks);
                let id: Str = seed.uuid().into();
                let port = cloud.port(&mut seed, host, network, &id);
                let name: Str = format!("instance-{:08x}", cloud.instances.len()).into();
                let known = &cloud.ports[port as usize];
                let vnic_id = format!("{}|{name}|{}", cloud.hosts[host].name, known.mac).into();
                let bridge_id = format!("{}-qbr{}-8000.{}", cloud.hosts[host].name, &known.id[..11], known.mac).into();
                let switch_port = format!("qvo{}", &known.id[..11]).into();
                let project = known.project;
                cloud.switch_ports[host].push(SwitchPort {
                    id: seed.uuid().into(),
                    name: switch_port,
                    tag: network as i64,
                });
                cloud.instances.push(Instance { id, name, host: host as u32, project, port, vnic_id, bridge_id });
            }
        }
        for network in 0..n_networks {
            let host = seed.below(n_hosts);
            let id: Str = format!("{}-qdhcp-{}", cloud.hosts[host].name, cloud.networks[network].id).into();
            let port = cloud.port(&mut seed, host, network, &id);
            let device = format!("tap{}", &cloud.ports[port as usize].id[..11]);
            let vnic_id = format!("{}|{device}", cloud.hosts[host].name).into();
            cloud.switch_ports[host].push(SwitchPort {
                id: seed.uuid().into(),
                name: device.into(),
                tag: network as i64,
            });
            cloud.services.push(Service { id, host: host as u32, port, vnic_id });
        }
        cloud
    }

    fn port(&mut self, seed: &mut Seed, host: usize, network: usize, device: &Str) -> u32 {
        self.ports.push(Port {
            id: seed.uuid().into(),
            mac: seed.mac().into(),
            host: host as u32,
            network: network as u32,
            device: device.clone(),
            project: self.networks[network].project,
        });
        (self.ports.len() - 1) as u32
    }

    /// The documents that a scan would bring.
    pub fn documents(&self) -> Vec<Object> {
        let mut writer = Writer::default();
        for (id, name) in &self.projects {
            writer.object("project", id, name, &[("enabled", true.into()), ("description", "".into())]);
        }
        for network in &self.networks {
            self.network(&mut writer, network);
        }
        for port in &self.ports {
            self.port_document(&mut writer, port);
        }
        for (number, host) in self.hosts.iter().enumerate() {
            self.host(&mut writer, number, host);
        }
        for instance in &self.instances {
            self.instance(&mut writer, instance);
        }
        for service in &self.services {
            self.service(&mut writer, service);
        }
        writer.objects
    }

    fn network(&self, writer: &mut Writer, network: &Network) {
        let subnet = writer.map(&[
            ("id", text(&network.subnet)),
            ("cidr", text(&network.cidr)),
            ("name", "subnet".into()),
            ("ip_version", 4_i64.into()),
        ]);
        let fields = [
            ("owner_id", text(&self.projects[network.project as usize].0)),
            ("subnets", Value::list(vec![subnet])),
            ("mtu", 1450_i64.into()),
            ("status", "ACTIVE".into()),
            ("admin_state_up", true.into()),
            ("shared", false.into()),
            ("provider:network_type", "vxlan".into()),
            ("provider:segmentation_id", network.segment.into()),
            ("router:external", false.into()),
        ];
        writer.object("network", &network.id, &network.name, &fields);
    }

    fn port_document(&self, writer: &mut Writer, port: &Port) {
        let fields = [
            ("mac_address", text(&port.mac)),
            ("network_id", text(&self.networks[port.network as usize].id)),
            ("tenant_id", text(&self.projects[port.project as usize].0)),
            ("device_id", text(&port.device)),
            ("binding:host_id", text(&self.hosts[port.host as usize].name)),
            ("binding:vif_type", "ovs".into()),
            ("status", "ACTIVE".into()),
            ("admin_state_up", true.into()),
            ("device_owner", "compute:nova".into()),
        ];
        writer.object("port", &port.id, &port.id, &fields);
    }

    fn host(&self, writer: &mut Writer, number: usize, host: &Host) {
        let name = &host.name;
        let on = ("host", text(name));
        writer.object("host", name, name, &[on.clone(), ("host_type", Value::list(vec!["Compute".into()]))]);
        let agent: Str = format!("agent-{name}").into();
        let configurations = writer.map(&[("tunneling_ip", text(&host.tunnel_address))]);
        let fields = [on.clone(), ("agent_type", "Open vSwitch agent".into()), ("configurations", configurations)];
        writer.object("network_agent", &agent, &agent, &fields);
        let switch: Str = format!("{name}-switch").into();
        let ports = self.switch_ports[number].iter().map(|port| {
            let mut fields = vec![("id", text(&port.id)), ("name", text(&port.name))];
            if port.tag > 0 {
                fields.push(("tag", port.tag.into()));
            }
            writer.map(&fields)
        });
        let ports = ports.collect::<Vec<_>>();
        let bridge = writer.map(&[
            ("name", "br-phy".into()),
            ("interfaces", Value::list(vec!["eth1".into()])),
            ("addresses", Value::list(vec![text(&host.tunnel_address)])),
        ]);
        let fields = [
            on.clone(),
            ("vedge_type", "OVS".into()),
            ("ports", Value::list(ports)),
            ("bridges", Value::list(vec![bridge])),
        ];
        writer.object("vedge", &switch, &switch, &fields);
        let fields = [
            on.clone(),
            ("ip_address", text(&host.tunnel_address)),
            ("overlay_type", "vxlan".into()),
            ("vedge_id", text(&switch)),
        ];
        writer.object("otep", &format!("{name}-otep").into(), &format!("{name}-otep").into(), &fields);
        for card in ["eth0", "eth1"] {
            let fields = [
                on.clone(),
                ("interface_name", card.into()),
                ("Link detected", "yes".into()),
                ("addresses", Value::list(vec![])),
                ("mtu", 1500_i64.into()),
            ];
            writer.object("host_pnic", &format!("{name}|{card}").into(), &card.into(), &fields);
        }
    }

    fn instance(&self, writer: &mut Writer, instance: &Instance) {
        let port = &self.ports[instance.port as usize];
        let host = &self.hosts[instance.host as usize].name;
        let on = ("host", text(host));
        let short = &port.id[..11];
        let fields = [
            on.clone(),
            ("project_id", text(&self.projects[instance.project as usize].0)),
            ("local_name", text(&instance.name)),
            ("status", "ACTIVE".into()),
            ("flavor", "m1.small".into()),
            ("image", "cirros".into()),
        ];
        writer.object("instance", &instance.id, &instance.name, &fields);
        let device: Str = format!("tap{short}").into();
        let fields = [
            on.clone(),
            ("vnic_type", "instance_vnic".into()),
            ("mac_address", text(&port.mac)),
            ("device", text(&device)),
            ("interface_name", text(&device)),
            ("instance_id", text(&instance.id)),
            ("instance_name", text(&instance.name)),
            ("mtu", 1450_i64.into()),
        ];
        writer.object("vnic", &instance.vnic_id, &instance.vnic_id, &fields);
        let outside: Str = format!("qvb{short}").into();
        let interface = |name: &Str| [("name", text(name)), ("mac_address", text(&port.mac))];
        let interfaces = [&outside, &device].map(|name| writer.map(&interface(name)));
        let fields = [
            on,
            ("bridge_name", format!("qbr{short}").into()),
            ("connector_type", "bridge".into()),
            ("interfaces", Value::list(interfaces.to_vec())),
            ("interfaces_names", Value::list(vec![text(&outside), text(&device)])),
            ("stp_enabled", "no".into()),
        ];
        writer.object("vconnector", &instance.bridge_id, &format!("qbr{short}").into(), &fields);
    }

    fn service(&self, writer: &mut Writer, service: &Service) {
        let port = &self.ports[service.port as usize];
        let host = &self.hosts[service.host as usize].name;
        let on = ("host", text(host));
        let device: Str = format!("tap{}", &port.id[..11]).into();
        let fields = [on.clone(), ("service_type", "dhcp".into()), ("local_service_id", text(&service.id))];
        writer.object("vservice", &service.id, &service.id, &fields);
        let fields = [
            on,
            ("vnic_type", "vservice_vnic".into()),
            ("mac_address", text(&port.mac)),
            ("device", text(&device)),
            ("interface_name", text(&device)),
            ("vservice_id", text(&service.id)),
        ];
        writer.object("vnic", &service.vnic_id, &device, &fields);
    }
}

fn text(text: &Str) -> Value {
    Value::Str(text.clone())
}

#[derive(Default)]
struct Writer {
    objects: Vec<Object>,
    names: std::collections::BTreeMap<&'static str, Str>,
}

impl Writer {
    fn name(&mut self, name: &'static str) -> Str {
        self.names.entry(name).or_insert_with(|| Arc::from(name)).clone()
    }

    fn map(&mut self, fields: &[(&'static str, Value)]) -> Value {
        let pairs = fields.iter().map(|(name, value)| (self.name(name), value.clone())).collect();
        Value::Map(Map::from_pairs(pairs))
    }

    fn object(&mut self, object_type: &'static str, id: &Str, name: &Str, fields: &[(&'static str, Value)]) {
        let object_type = self.name(object_type);
        let mut pairs: Vec<(Str, Value)> =
            fields.iter().map(|(name, value)| (self.name(name), value.clone())).collect();
        for (key, value) in [
            ("environment", Value::Str(self.name("bench"))),
            ("type", Value::Str(object_type.clone())),
            ("id", text(id)),
            ("name", text(name)),
            ("object_name", text(name)),
            ("parent_type", Value::Str(self.name("folder"))),
            ("parent_id", format!("{object_type}-folder").into()),
            ("id_path", format!("/bench/{object_type}/{id}").into()),
            ("name_path", format!("/bench/{object_type}/{name}").into()),
            ("show_in_tree", true.into()),
        ] {
            pairs.push((self.name(key), value));
        }
        self.objects.push(Object { key: ObjectKey { object_type, id: id.clone() }, doc: Map::from_pairs(pairs) });
    }
}
