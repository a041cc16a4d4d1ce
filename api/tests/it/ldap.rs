//! A real directory (slapd) as the second source of passwords.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use calipso_api::{
    AccountSettings, Directory, DirectoryAnswer, DirectoryError, Grant, LdapDirectory, LdapSettings, LdapUsers,
};
use calipso_model::Secret;
use serde_json::json;

use crate::{
    logins::{PASSWORD, TOKENS, add, me},
    support::{guarded_with, wait_secs},
};

const SUFFIX: &str = "dc=example,dc=org";
const ROOT: &str = "cn=root,dc=example,dc=org";
const SERVICE: &str = "cn=finder,dc=example,dc=org";

/// People, groups, and the account that looks for people.
const PEOPLE: &str = "\
dn: dc=example,dc=org
objectClass: dcObject
objectClass: organization
dc: example
o: example

dn: ou=people,dc=example,dc=org
objectClass: organizationalUnit
ou: people

dn: cn=finder,dc=example,dc=org
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: finder
userPassword: finder password

dn: uid=anna,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: anna
cn: Anna
sn: A
userPassword: directory password

dn: uid=bert,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: bert
cn: Bert
sn: B
userPassword: directory password

dn: cn=far,ou=people,dc=example,dc=org
objectClass: referral
objectClass: extensibleObject
cn: far
uid: far
ref: ldap://192.0.2.1/uid=far,dc=elsewhere

dn: cn=admins,dc=example,dc=org
objectClass: groupOfNames
cn: admins
member: uid=anna,ou=people,dc=example,dc=org

dn: cn=viewers,dc=example,dc=org
objectClass: groupOfNames
cn: viewers
member: uid=bert,ou=people,dc=example,dc=org
";

/// A directory of its own, stopped at the end.
struct Slapd {
    child: Child,
    folder: tempfile::TempDir,
    plain: String,
    secure: String,
}

impl Drop for Slapd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A command of the system's folders, too, which are not everybody's.
fn command(name: &str) -> Command {
    let found =
        ["/usr/sbin", "/usr/bin", "/sbin"].iter().map(|folder| Path::new(folder).join(name)).find(|path| path.exists());
    Command::new(found.unwrap_or_else(|| panic!("{name} is not installed; ./test installs what tests need")))
}

fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// An authority, and a certificate of it for this machine.
fn certificates(folder: &Path) {
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    let openssl = || {
        let mut openssl = command("openssl");
        openssl.current_dir(folder);
        openssl
    };
    std::fs::write(folder.join("names"), "subjectAltName=DNS:localhost,IP:127.0.0.1\n").unwrap();
    run(openssl()
        .args(["req", "-x509", "-days", "2", "-subj", "/CN=test authority", "-keyout", "ca.key", "-out", "ca.pem"])
        .args(key));
    run(openssl().args(["req", "-subj", "/CN=localhost", "-keyout", "server.key", "-out", "server.csr"]).args(key));
    run(openssl()
        .args(["x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"])
        .args(["-days", "2", "-extfile", "names", "-out", "server.pem"]));
}

impl Slapd {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        certificates(at);
        std::fs::create_dir(at.join("data")).unwrap();
        let dir = at.display();
        let config = format!(
            "include /etc/ldap/schema/core.schema\ninclude /etc/ldap/schema/cosine.schema\n\
             include /etc/ldap/schema/inetorgperson.schema\nmodulepath /usr/lib/ldap\nmoduleload back_mdb\n\
             moduleload memberof\npidfile {dir}/pid\nTLSCACertificateFile {dir}/ca.pem\n\
             TLSCertificateFile {dir}/server.pem\nTLSCertificateKeyFile {dir}/server.key\nTLSVerifyClient never\n\
             security simple_bind=1\ndatabase mdb\nsuffix {SUFFIX}\nrootdn {ROOT}\nrootpw secret\n\
             directory {dir}/data\noverlay memberof\n\
             access to attrs=userPassword by anonymous auth by * none\naccess to * by dn.exact={SERVICE} read by self read by * none\n"
        );
        std::fs::write(at.join("slapd.conf"), config).unwrap();
        std::fs::write(at.join("people.ldif"), PEOPLE).unwrap();
        let (plain, secure) = (free_port(), free_port());
        let plain = format!("ldap://127.0.0.1:{plain}");
        let secure = format!("ldaps://127.0.0.1:{secure}");
        let log = std::fs::File::create(at.join("log")).unwrap();
        let child = command("slapd")
            .args(["-d", "0", "-f"])
            .arg(at.join("slapd.conf"))
            .args(["-h", &format!("{plain} {secure}")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let slapd = Self { child, folder, plain, secure };
        slapd.fill();
        slapd
    }

    /// Puts the people in, as soon as it answers.
    fn fill(&self) {
        let at = self.folder.path();
        let started = Instant::now();
        loop {
            let output = command("ldapadd")
                .env("LDAPTLS_CACERT", at.join("ca.pem"))
                .args(["-x", "-M", "-ZZ", "-H", &self.plain, "-D", ROOT, "-w", "secret", "-f"])
                .arg(at.join("people.ldif"))
                .stdin(Stdio::null())
                .output()
                .unwrap();
            if output.status.success() {
                return;
            }
            let told = String::from_utf8_lossy(&output.stderr);
            let log = std::fs::read_to_string(at.join("log")).unwrap_or_default();
            let is_starting = told.contains("Can't contact") && started.elapsed() < Duration::from_secs(20);
            assert!(is_starting, "ldapadd: {told}; slapd: {log}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    fn settings(&self) -> LdapSettings {
        LdapSettings {
            url: self.plain.clone(),
            ca: Some(self.ca()),
            verify_tls: true,
            users: search("(objectClass=person)"),
            group_attribute: "memberOf".into(),
            administrators: vec!["CN=admins, dc=example,dc=org".into()],
            grants: vec![("cn=viewers,dc=example,dc=org".into(), "cloud".into(), Grant::View)],
            timeout: Duration::from_secs(10),
        }
    }
}

fn search(filter: &str) -> LdapUsers {
    LdapUsers::Search {
        base: SUFFIX.into(),
        bind: Some((SERVICE.into(), Secret::new("finder password"))),
        attribute: "uid".into(),
        filter: filter.into(),
    }
}

async fn check(settings: LdapSettings, user: &str, password: &str) -> Result<DirectoryAnswer, DirectoryError> {
    LdapDirectory::new(settings).unwrap().check(user, &Secret::new(password)).await
}

#[tokio::test]
async fn a_directory_checks_passwords_and_gives_rights() {
    let slapd = Slapd::start();
    let right = "directory password";
    let template = LdapUsers::Template(format!("uid={{user}},ou=people,{SUFFIX}"));
    for (settings, what) in [
        (slapd.settings(), "StartTLS, search"),
        (LdapSettings { url: slapd.secure.clone(), ..slapd.settings() }, "ldaps, search"),
        (LdapSettings { users: template.clone(), ..slapd.settings() }, "template"),
        (LdapSettings { ca: None, verify_tls: false, ..slapd.settings() }, "any certificate"),
    ] {
        let known = |answer: Result<DirectoryAnswer, DirectoryError>| match answer {
            Ok(DirectoryAnswer::Known(rights)) => rights,
            other => panic!("{what}: {other:?}"),
        };
        let anna = known(check(settings.clone(), "anna", right).await);
        assert!(anna.administrator && anna.grants.is_empty(), "{what}: {anna:?}");
        let bert = known(check(settings.clone(), "bert", right).await);
        assert!(!bert.administrator && bert.grants.get("cloud") == Some(&Grant::View), "{what}: {bert:?}");
        for (user, password) in [
            ("anna", "wrong"),
            ("anna", ""),
            ("", right),
            ("nobody", right),
            ("far", right),
            ("*", right),
            ("anna)(objectClass=*", right),
            ("*)(uid=anna", right),
            ("anna,ou=people", right),
            ("x,dc=example", right),
            ("anna\0", right),
            ("\\61nna", right),
        ] {
            let answer = check(settings.clone(), user, password).await;
            assert!(matches!(answer, Ok(DirectoryAnswer::Refused)), "{what}: {user:?} {password:?} gave {answer:?}");
        }
    }
}

#[tokio::test]
async fn a_name_is_one_value_of_a_distinguished_name() {
    let slapd = Slapd::start();
    let settings = |template: &str| LdapSettings { users: LdapUsers::Template(template.into()), ..slapd.settings() };
    let below_people = settings("uid={user},ou=people,dc=example,dc=org");
    assert!(matches!(check(below_people, "anna", "directory password").await, Ok(DirectoryAnswer::Known(_))));
    // Taken as it is, this name would lead to anna's entry.
    let above = settings("uid={user},dc=example,dc=org");
    let answer = check(above, "anna,ou=people", "directory password").await;
    assert!(matches!(answer, Ok(DirectoryAnswer::Refused)), "{answer:?}");
}

#[tokio::test]
async fn what_is_wrong_with_a_directory_is_no_answer_about_a_password() {
    let slapd = Slapd::start();
    let right = "directory password";
    let away = |answer| matches!(answer, Err(DirectoryError::Away(_)));
    // The system trusts no such authority.
    assert!(away(check(LdapSettings { ca: None, ..slapd.settings() }, "anna", right).await));
    let other = tempfile::tempdir().unwrap();
    certificates(other.path());
    let ca = Some(other.path().join("ca.pem"));
    assert!(away(check(LdapSettings { ca: ca.clone(), ..slapd.settings() }, "anna", right).await));
    assert!(away(check(LdapSettings { ca, url: slapd.secure.clone(), ..slapd.settings() }, "anna", right).await));
    let dead = format!("ldap://127.0.0.1:{}", free_port());
    assert!(away(check(LdapSettings { url: dead, ..slapd.settings() }, "anna", right).await));
    // A server that takes connections and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ldap://{}", silent.local_addr().unwrap());
    let settings = LdapSettings { url, timeout: Duration::from_millis(300), ..slapd.settings() };
    assert!(away(check(settings, "anna", right).await));
    let users = LdapUsers::Search {
        base: SUFFIX.into(),
        bind: Some((SERVICE.into(), Secret::new("wrong password"))),
        attribute: "uid".into(),
        filter: "(objectClass=person)".into(),
    };
    let answer = check(LdapSettings { users, ..slapd.settings() }, "anna", right).await;
    let told = format!("{answer:?}");
    assert!(matches!(answer, Err(DirectoryError::Unusable(_))) && !told.contains("password\""), "{told}");
    assert!(!format!("{:?}", slapd.settings()).contains("finder password"));
}

#[tokio::test]
async fn users_of_the_directory_get_a_row_and_local_ones_come_first() {
    let slapd = Slapd::start();
    let directory = Arc::new(LdapDirectory::new(slapd.settings()).unwrap());
    let (server, accounts) = guarded_with(AccountSettings::default(), Some(directory));
    add(&accounts, "anna", |_| {}).await;
    let login = async |name: &str, password: &str| {
        let body = json!({"username": name, "password": password});
        server.call("POST", TOKENS, &[], Some(&body)).await
    };
    assert_eq!(login("anna", "directory password").await.status, 401, "anna is local");
    assert_eq!(login("anna", PASSWORD).await.status, 201);
    assert_eq!(login("bert", "").await.status, 401);
    assert_eq!(login("bert", "wrong").await.status, 401);
    assert!(accounts.read_user("bert").await.is_err(), "only a login makes a row");
    let answer = login("Bert", "directory password").await;
    assert_eq!((answer.status.as_u16(), &answer.body["grants"]), (201, &json!({"cloud": "view"})), "{}", answer.body);
    let bert = accounts.read_user("bert").await.unwrap().user;
    assert!(bert.password_hash.is_none());
    let token = answer.body["token"].as_str().unwrap().to_owned();
    assert_eq!(me(&server, ("x-auth-token", &token)).await.0, 200);
    // An administrator of this house may send away whom the directory lets in.
    accounts.change_user("bert", None, jiff::Timestamp::now(), |user| user.disabled = true).await.unwrap();
    assert_eq!(me(&server, ("x-auth-token", &token)).await.0, 401);
    assert_eq!(login("bert", "directory password").await.status, 401);
    accounts.change_user("bert", None, jiff::Timestamp::now(), |user| user.disabled = false).await.unwrap();
    drop(slapd);
    wait_secs(3);
    let answer = login("bert", "directory password").await;
    assert_eq!(
        (answer.status.as_u16(), &answer.body["type"]),
        (503, &json!("/problems/store-away")),
        "{}",
        answer.body
    );
    assert_eq!(login("anna", PASSWORD).await.status, 201, "local users need no directory");
}
