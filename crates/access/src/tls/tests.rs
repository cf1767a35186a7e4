use std::{fs, path::PathBuf, process::Command};

use super::TlsFiles;

/// Two authorities with a key each, made with openssl.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for name in ["one", "other"] {
            let [key, pem] = ["key", "pem"].map(|kind| folder.path(&format!("{name}.{kind}")));
            let made = Command::new("openssl")
                .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"])
                .args(["-subj", "/CN=test", "-days", "1", "-keyout"])
                .args([key.as_os_str(), "-out".as_ref(), pem.as_os_str()])
                .output()
                .expect("openssl runs");
            assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        }
        fs::write(folder.path("text"), "no certificate").unwrap();
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn files(&self, names: [&str; 3]) -> TlsFiles {
        let [ca_file, certificate_file, key_file] =
            names.map(|name| (!name.is_empty()).then(|| self.path(name)));
        TlsFiles { ca_file, certificate_file, key_file }
    }
}

#[test]
fn files_that_cannot_be_used_are_named_with_their_key() {
    let folder = Folder::new();
    let read = |names| folder.files(names).read().map_err(|wrong| wrong.to_string());
    assert!(read(["one.pem", "", ""]).unwrap().identity.is_none());
    assert!(read(["one.pem", "other.pem", "other.key"]).unwrap().identity.is_some());
    for (names, expected) in [
        (["", "", ""], "tls.ca_file is required for TLS"),
        (["missing", "", ""], "tls.ca_file: cannot read "),
        (["text", "", ""], "tls.ca_file: "),
        (["one.key", "", ""], "tls.ca_file: "),
        (["one.pem", "other.pem", ""], "tls.key_file is required"),
        (["one.pem", "", "other.key"], "tls.certificate_file is required"),
        (["one.pem", "text", "other.key"], "tls.certificate_file: "),
        (["one.pem", "other.pem", "text"], "tls.key_file: "),
        (["one.pem", "other.pem", "one.key"], "tls.key_file: "),
    ] {
        let wrong = read(names).map(|_material| ()).unwrap_err();
        assert!(wrong.starts_with(expected), "{names:?}: {wrong}");
    }
}
