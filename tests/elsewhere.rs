//! `convoke conform --url`: a server that runs somewhere and shows nothing, with the reference devices.
#![cfg(all(feature = "cli", feature = "net"))]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};

const CONVOKE: &str = env!("CARGO_BIN_EXE_convoke");
const SECRET: &str = "for tests alone";

fn conform(url: &str, arguments: &[&str]) -> Output {
    let all = [&["conform", "--url", url, "--scale", "10"], arguments].concat();
    Command::new(CONVOKE)
        .args(all)
        .env("CONVOKE_SDK_SECRET", SECRET)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("convoke runs")
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// A server whose windows are a tenth of the usual ones; it ends with the test.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    /// It knows the accounts of this file, and lets those log in who have a token.
    fn start(accounts: &str) -> Self {
        let mut child = Command::new(CONVOKE)
            .args(["serve", "--listen", "127.0.0.1:0", "--log-level", "error", "--until-input-ends"])
            .args(["--sdk-app-id", "7", "--accounts", accounts])
            .args(["--bound", "resume_window=3s", "--bound", "keep_alive_bound=2s", "--bound", "entry_grace=3s"])
            .args([
                "--bound",
                "result_memory=12s",
                "--bound",
                "answer_memory=12s",
                "--bound",
                "invite_calls_refill=20ms",
            ])
            .args(["--bound", "rings_refill=1s"])
            .env("CONVOKE_SDK_SECRET", SECRET)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let greeting = lines.map_while(Result::ok).find(|line| line.contains("ws://")).expect("it says where it is");
        let rest = greeting.split_once("ws://").expect("an address").1;
        let address = rest.split('/').next().expect("an address").to_owned();
        Self { child, address }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What a server says, and what a liar makes of the last character of it.
#[derive(Clone, Copy)]
struct Lie(&'static [u8], u8);

/// An entry that is gone (kNone) has timed out (kTimeout).
const TIMED_OUT: Lie = Lie(b"\"status\":0", b'2');
/// Whoever is called (0) is on the list already (1).
const CALLED_ALREADY: Lie = Lie(b"\"code\":0", b'1');

/// Stands in front of a server, and lies. Lives as long as the test.
fn liar(server: &Server, Lie(said, instead): Lie) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, server) = (listener.local_addr().unwrap(), server.address.clone());
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let there = TcpStream::connect(&server).unwrap();
            let (mut client_in, mut there_out) = (client.try_clone().unwrap(), there.try_clone().unwrap());
            std::thread::spawn(move || {
                drop(std::io::copy(&mut client_in, &mut there_out));
                drop(there_out.shutdown(std::net::Shutdown::Both));
            });
            let (mut there, mut client) = (there, client);
            std::thread::spawn(move || {
                let mut buffer = [0; 65_536];
                while let Ok(count @ 1..) = there.read(&mut buffer) {
                    for at in 0..count.saturating_sub(said.len() - 1) {
                        if &buffer[at..at + said.len()] == said {
                            buffer[at + said.len() - 1] = instead;
                        }
                    }
                    if client.write_all(&buffer[..count]).is_err() {
                        return;
                    }
                }
                drop(client.shutdown(std::net::Shutdown::Both));
            });
        }
    });
    format!("ws://{address}/v1")
}

#[test]
fn a_running_server_passes_and_a_liar_in_front_of_it_is_caught() {
    let file = std::env::temp_dir().join(format!("convoke-elsewhere-{}.json", std::process::id()));
    let accounts: Vec<String> =
        (0..40).map(|number| format!(r#"{{"userId": "t{number}", "userName": "Tester {number}"}}"#)).collect();
    std::fs::write(&file, format!("[{}]", accounts.join(","))).unwrap();
    let accounts = file.to_str().unwrap();
    let play = ["--accounts", accounts, "--sdk-app-id", "7"];
    let server = Server::start(accounts);
    let url = format!("ws://{}/v1", server.address);
    let names = |prefix: &'static str| ["--prefix", prefix];
    let folders = ["scenarios/answer", "scenarios/cancel", "scenarios/revoke", "-v"];
    let output = conform(&url, &[&play[..], &names("one-"), &folders].concat());
    let said = text(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("contract `full`, seen by its devices"), "{said}");
    let passed = said.lines().filter(|line| line.trim_start().starts_with("pass")).count();
    assert!(passed >= 20, "only {passed} pass: {said}");
    // Nothing is left behind: the same rooms can be made again.
    let scenario = ["scenarios/cancel/inviter-cancels.yaml"];
    for _ in 0..2 {
        let output = conform(&url, &[&play[..], &names("two-"), &scenario].concat());
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    }
    for (lie, prefix, broken) in
        [(TIMED_OUT, "lies-", &["EVT-6"][..]), (CALLED_ALREADY, "denies-", &["unasked rings", "INV-4", "INV-6"])]
    {
        let report = format!("{accounts}.{prefix}result.json");
        let how = ["--attempts", "1", "--json", &report];
        let output = conform(&liar(&server, lie), &[&play[..], &names(prefix), &how, &scenario].concat());
        let said = text(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        let result = std::fs::read_to_string(&report).unwrap();
        std::fs::remove_file(&report).unwrap();
        assert!(broken.iter().all(|id| result.contains(&format!("\"{id}\""))), "{said}");
        // How it was played is told.
        assert!(result.contains(r#""realTime""#) && result.contains(r#""scale": 10"#), "{result}");
    }
    std::fs::remove_file(file).unwrap();
}

#[test]
fn nobody_there_is_told() {
    let output = conform("ws://127.0.0.1:1/v1", &["scenarios/cancel"]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    assert!(text(&output).contains("nothing listens there"), "{}", text(&output));
    let output = conform("http://127.0.0.1:1", &["scenarios/cancel"]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
}
