//! A browser steered through W3C WebDriver: chromedriver and a headless Chromium of its own, over plain HTTP.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64ct::{Base64, Encoding};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// How long a condition may take to come true.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long chromedriver may take for one command.
const ANSWER_MAX: Duration = Duration::from_secs(60);
/// The key under which an answer names an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

pub(crate) struct Browser {
    driver: Child,
    port: u16,
    session: String,
    /// Process of the browser, while it is not known to have ended.
    process: Option<i64>,
    _profile: tempfile::TempDir,
}

impl Browser {
    pub(crate) async fn start() -> Browser {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver; `make dashboard-test` says how to get it");
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = lines.by_ref().map_while(Result::ok).find_map(|line| {
            line.split("successfully on port ").nth(1)?.trim_end_matches('.').parse().ok()
        });
        std::thread::spawn(move || lines.for_each(drop));
        let profile = tempfile::tempdir().unwrap();
        let mut browser = Browser {
            driver,
            port: port.expect("a port of chromedriver"),
            session: String::new(),
            process: None,
            _profile: profile,
        };
        let folder = format!("--user-data-dir={}", browser._profile.path().display());
        let args = [
            "--headless=new",
            "--no-sandbox",
            "--no-first-run",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-extensions",
            "--disable-component-update",
            "--disable-background-networking",
            &folder,
        ];
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome", "acceptInsecureCerts": true, "goog:chromeOptions": {"args": args}, "goog:loggingPrefs": {"browser": "ALL"},
        }}});
        let made = browser.ask("POST", "/session", &wanted).await.unwrap();
        browser.session = made["sessionId"].as_str().unwrap().to_string();
        browser.process = made["capabilities"]["goog:processID"].as_i64();
        browser
    }

    /// Ends the browser, then what steered it.
    pub(crate) async fn stop(mut self) {
        let path = format!("/session/{}", self.session);
        if self.ask("DELETE", &path, &Value::Null).await.is_ok() {
            self.process = None;
        }
    }

    async fn ask(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            self.port,
            body.len()
        );
        stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        let answer = tokio::time::timeout(ANSWER_MAX, answer_of(&mut stream)).await;
        let answer = answer.unwrap_or_else(|_| panic!("no answer to {method} {path}"));
        let value: Value = serde_json::from_slice(&answer).expect("JSON");
        let value = value["value"].clone();
        match value["error"].as_str() {
            Some(error) => Err(format!("{error}: {}", value["message"])),
            None => Ok(value),
        }
    }

    async fn command(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        self.ask(method, &format!("/session/{}/{path}", self.session), body).await
    }

    async fn devtools(&self, command: &str, params: Value) {
        let body = json!({"cmd": command, "params": params});
        self.command("POST", "goog/cdp/execute", &body).await.unwrap();
    }

    /// Sets the size of the page; smaller than a window could be, too.
    pub(crate) async fn resize(&self, (width, height): (u32, u32)) {
        let size =
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.devtools("Emulation.setDeviceMetricsOverride", size).await;
    }

    /// Loads a page anew, even where only the part after `#` differs.
    pub(crate) async fn load(&self, url: &str) {
        for url in ["about:blank", url] {
            self.command("POST", "url", &json!({"url": url})).await.unwrap();
        }
    }

    /// The value of an expression of JavaScript.
    pub(crate) async fn value(&self, expression: &str) -> Value {
        let body = json!({"script": format!("return {expression}"), "args": []});
        self.command("POST", "execute/sync", &body).await.unwrap()
    }

    /// Waits until an expression holds.
    pub(crate) async fn until(&self, expression: &str) {
        let deadline = Instant::now() + PATIENCE;
        while self.value(&format!("!!({expression})")).await != json!(true) {
            if Instant::now() > deadline {
                let page = self.value("[location.href, document.body.innerText]").await;
                panic!("not so: {expression}\n{page}\n{:?}", self.severe().await);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub(crate) async fn see(&self, selector: &str) {
        self.until(&format!("document.querySelector({})", json!(selector))).await;
    }

    async fn act(&self, selector: &str, action: &str, body: Value) {
        let deadline = Instant::now() + PATIENCE;
        let wanted = json!({"using": "css selector", "value": selector});
        loop {
            let done = match self.command("POST", "element", &wanted).await {
                Ok(found) => {
                    let path = format!("element/{}/{action}", found[ELEMENT].as_str().unwrap());
                    self.command("POST", &path, &body).await
                }
                Err(error) => Err(error),
            };
            let Err(error) = done else { return };
            assert!(Instant::now() < deadline, "{action} {selector}: {error}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Clicks as a user does, once the element is there and can be clicked.
    pub(crate) async fn click(&self, selector: &str) {
        self.act(selector, "click", json!({})).await;
    }

    /// Types into an emptied field.
    pub(crate) async fn write(&self, selector: &str, text: &str) {
        self.act(selector, "clear", json!({})).await;
        self.act(selector, "value", json!({"text": text})).await;
    }

    /// Presses keys while an element has the focus, or none has.
    pub(crate) async fn press(&self, selector: &str, keys: &str) {
        self.act(selector, "value", json!({"text": keys})).await;
    }

    /// What went wrong on the page since the last question, by its console.
    pub(crate) async fn severe(&self) -> Vec<String> {
        let log = self.command("POST", "se/log", &json!({"type": "browser"})).await.unwrap();
        let entries = log.as_array().unwrap().iter();
        let severe = entries.filter(|entry| entry["level"] == "SEVERE");
        severe.map(|entry| entry["message"].to_string()).collect()
    }

    /// The page as a PNG.
    pub(crate) async fn picture(&self) -> Vec<u8> {
        let taken = self.command("GET", "screenshot", &Value::Null).await.unwrap();
        Base64::decode_vec(taken.as_str().unwrap()).unwrap()
    }
}

/// The body of an answer; chromedriver leaves the connection open whatever it is asked.
async fn answer_of(stream: &mut TcpStream) -> Vec<u8> {
    let mut answer = Vec::new();
    loop {
        let end = answer.windows(4).position(|part| part == b"\r\n\r\n").map(|at| at + 4);
        if let Some(end) = end {
            let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
            let length = head.split("content-length:").nth(1).and_then(|rest| rest.lines().next());
            let length: usize = length.and_then(|text| text.trim().parse().ok()).expect("a length");
            if answer.len() >= end + length {
                return answer[end..end + length].to_vec();
            }
        }
        let read = stream.read_buf(&mut answer).await.unwrap();
        assert!(read > 0, "chromedriver went away");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let process = self.process.and_then(|id| rustix::process::Pid::from_raw(id as i32));
        if let Some(process) = process {
            let _ = rustix::process::kill_process(process, rustix::process::Signal::KILL);
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
