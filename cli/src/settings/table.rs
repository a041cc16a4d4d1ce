//! Every setting, in the order in which `config show` and the reference list them.

use crate::settings::{Kind, Setting};

const fn setting(key: &'static str, kind: Kind, default: &'static str, about: &'static str) -> Setting {
    Setting { key, kind, default, about }
}

/// Every setting.
pub const SETTINGS: &[Setting] = &[
    setting(
        "store",
        Kind::Text,
        "",
        "Where everything is kept: a file, or the address of a MongoDB replica set (mongodb://USER@HOST:PORT,…/DATABASE). Default: calipso/store.db in the user's data folder.",
    ),
    setting("store_password", Kind::Reference, "", "The password of the MongoDB user, where the address names one."),
    setting("store_ca", Kind::Path, "", "Certificates (PEM) that the MongoDB server's certificate is checked against."),
    setting("specs", Kind::List, "", "Folders of specs that are laid over the built-in ones, in this order."),
    setting("listen", Kind::Text, "127.0.0.1:8747", "Address and port of the REST interface."),
    setting(
        "tls.certificate",
        Kind::Path,
        "",
        "Certificate chain (PEM) of the REST interface; without it, it speaks plain HTTP.",
    ),
    setting("tls.key", Kind::Path, "", "Private key (PEM) of that certificate."),
    setting(
        "insecure_no_auth",
        Kind::Switch,
        "false",
        "Everybody may do everything. Refused unless `listen` is a loopback address.",
    ),
    setting(
        "workers",
        Kind::Number,
        "2",
        "How many scans this process runs at once; 0: it serves the REST interface only.",
    ),
    setting(
        "resident_objects",
        Kind::Number,
        "200000",
        "How many objects of scanned environments stay in memory, some 2 kB each (an estimate: 0.5 kB measured for what fetchers and places need, the rest links, cliques and what rules read), so that their next scan costs what changed; 0: none.",
    ),
    setting("worker_only", Kind::Switch, "false", "This process only works, without the REST interface."),
    setting(
        "replay",
        Kind::Path,
        "",
        "A recording that answers in place of the world, whatever the environment: to try the service out without a cloud.",
    ),
    setting("lease_secs", Kind::Number, "60", "Seconds after which the work of a silent worker goes to another."),
    setting(
        "stop_secs",
        Kind::Number,
        "30",
        "Seconds that running scans get to end when the process is told to stop; then they are handed back.",
    ),
    setting(
        "key_file",
        Kind::Path,
        "",
        "The keys that seal secrets at rest. Default: calipso/secrets.key in the user's data folder; made at first start.",
    ),
    setting("key", Kind::Reference, "", "The keys themselves, in place of a file."),
    setting(
        "secrets.env_prefix",
        Kind::Text,
        "CALIPSO_SECRET_",
        "References `env:NAME` that come over REST must begin with this, the environment's name and two underscores: CALIPSO_SECRET_MY_CLOUD__… for my-cloud; a character other than a letter, a digit or a hyphen between them is x and its code, CALIPSO_SECRET_MYx5fCLOUD__… for my_cloud.",
    ),
    setting(
        "secrets.folder",
        Kind::Path,
        "",
        "Files that come over REST must lie below this folder, those of `file:PATH` in the environment's own folder there.",
    ),
    setting(
        "unix_sockets",
        Kind::Switch,
        "false",
        "Connections may ask servers on socket files of this machine (`unix:///…`); whoever writes specs or environments reaches them then.",
    ),
    setting("token_secs", Kind::Number, "86400", "Seconds that a login lasts."),
    setting("token_max_secs", Kind::Number, "2592000", "Seconds that a login can be made to last, renewals included."),
    setting(
        "login_attempts",
        Kind::Number,
        "10",
        "Wrong passwords in a row for one user from one address, five times as many from one address, and twenty times as many for one user from everywhere, before only one in 6 seconds is tried. The last is not counted on the loopback address, nor where the user came in during the last 30 days.",
    ),
    setting(
        "connections",
        Kind::Number,
        "4096",
        "Connections to the REST interface at once; at most what the process may open of files, without 96.",
    ),
    setting(
        "connections_of_one",
        Kind::Number,
        "0",
        "The same from one address (of IPv6, one network of 64 bits); trusted proxies are not counted. 0: half of all.",
    ),
    setting("head_secs", Kind::Number, "30", "Seconds within which the head of a request has to be there."),
    setting("trusted_proxies", Kind::List, "", "Addresses of reverse proxies whose X-Forwarded-For is believed."),
    setting("body_bytes", Kind::Number, "1048576", "The largest body of a request, in bytes."),
    setting("page_size", Kind::Number, "1000", "The largest page of a list."),
    setting(
        "ldap.url",
        Kind::Text,
        "",
        "A directory that checks passwords of users who are not local: ldaps://HOST or ldap://HOST (then with StartTLS).",
    ),
    setting("ldap.ca", Kind::Path, "", "Certificates (PEM) that the directory's certificate is checked against."),
    setting("ldap.base", Kind::Text, "", "Where users are looked for."),
    setting("ldap.user_attribute", Kind::Text, "uid", "The attribute that holds the user's name."),
    setting("ldap.user_filter", Kind::Text, "(objectClass=person)", "What else a user must be."),
    setting(
        "ldap.bind_dn",
        Kind::Text,
        "",
        "The account that looks for users; without it, the directory is asked anonymously.",
    ),
    setting("ldap.bind_password", Kind::Reference, "", "The password of that account."),
    setting("ldap.group_attribute", Kind::Text, "memberOf", "The user's attribute that names groups."),
    setting("ldap.administrators", Kind::Text, "", "The group whose members administer."),
    setting("ldap.viewers", Kind::Text, "", "The group whose members may view every environment."),
    setting("ldap.editors", Kind::Text, "", "The group whose members may edit every environment."),
    setting("keep.revisions", Kind::Number, "0", "How many revisions of an environment stay readable; 0: all."),
    setting("keep.scans", Kind::Number, "1000", "How many finished scans of an environment are remembered."),
    setting("keep.message_days", Kind::Number, "30", "Days that messages are kept."),
    setting("keep.audit_days", Kind::Number, "365", "Days that the audit trail is kept."),
    setting("log.format", Kind::Text, "text", "`text` or `json`."),
    setting("log.filter", Kind::Text, "", "What is logged, as in CALIPSO_LOG=calipso=debug,info."),
    setting("metrics", Kind::Text, "login", "Who may read /metrics: `login` (any user), `open`, or `off`."),
];
