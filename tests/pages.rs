//! Pages as a browser shows them: Chromium, driven by WebDriver (https://www.w3.org/TR/webdriver2/).
use crate::support::*;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A browser, and the window that it has open.
struct Browser {
    driver: Child,
    session: String,
    _profile: tempfile::TempDir,
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = curl("DELETE", &self.session, &Value::Null);
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

fn curl(method: &str, url: &str, body: &Value) -> Value {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--noproxy", "*", "-X", method, url]);
    if method == "POST" {
        curl.args(["-H", "content-type: application/json", "--data", &body.to_string()]);
    }
    let output = curl.output().unwrap();
    assert!(output.status.success(), "{method} {url}: {}", stderr(&output));
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(answer["value"]["error"].is_null(), "{method} {url} {body}: {answer:#}");
    answer["value"].clone()
}

impl Browser {
    /// A window of this size in pixels, in light or in dark, with or without scripts.
    fn open(width: u32, height: u32, more: &[&str]) -> Self {
        let mut driver =
            Command::new("chromedriver").arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = lines.map_while(Result::ok).find_map(|line| {
            let port = line.split("successfully on port ").nth(1)?.trim_end_matches('.').parse::<u16>();
            port.ok()
        });
        let profile = tempfile::tempdir().unwrap();
        let mut arguments: Vec<String> = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
            .into_iter()
            .chain(more.iter().copied())
            .map(ToOwned::to_owned)
            .collect();
        arguments.push(format!("--window-size={width},{height}"));
        arguments.push(format!("--user-data-dir={}", profile.path().display()));
        // Pages are told of on a console, on which a resource that would not be fetched is told of, too.
        let mut options = json!({ "args": arguments });
        // No window is as narrow as a phone.
        if width < 500 {
            let metrics = json!({ "width": width, "height": height, "pixelRatio": 2.0, "touch": true });
            options["mobileEmulation"] = json!({ "deviceMetrics": metrics });
        }
        let wish = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": options, "goog:loggingPrefs": { "browser": "ALL" },
        } } });
        let base = format!("http://127.0.0.1:{}/session", port.unwrap());
        let made = curl("POST", &base, &wish);
        Self { driver, session: format!("{base}/{}", made["sessionId"].as_str().unwrap()), _profile: profile }
    }

    fn post(&self, what: &str, body: &Value) -> Value {
        curl("POST", &format!("{}/{what}", self.session), body)
    }

    fn go(&self, page: &Path) {
        self.post("url", &json!({ "url": format!("file://{}", page.display()) }));
    }

    /// What an expression of JavaScript is in the page.
    fn value(&self, expression: &str) -> Value {
        self.post("execute/sync", &json!({ "script": format!("return {expression};"), "args": [] }))
    }

    fn element(&self, selector: &str) -> String {
        let found = self.post("element", &json!({ "using": "css selector", "value": selector }));
        found.as_object().unwrap().values().next().unwrap().as_str().unwrap().to_owned()
    }

    fn click(&self, selector: &str) {
        let element = self.element(selector);
        self.post(&format!("element/{element}/click"), &json!({}));
    }

    fn write(&self, selector: &str, text: &str) {
        let element = self.element(selector);
        self.post(&format!("element/{element}/value"), &json!({ "text": text }));
    }

    /// How many elements of a selector can be seen.
    fn seen(&self, selector: &str) -> u64 {
        let visible = "one => one.checkVisibility({contentVisibilityAuto: true})";
        let text = format!("[...document.querySelectorAll({})].filter({visible}).length", json!(selector));
        self.value(&text).as_u64().unwrap()
    }

    /// What went wrong in the page, by its own console.
    fn complaints(&self) -> Vec<String> {
        let log = self.post("se/log", &json!({ "type": "browser" }));
        log.as_array().unwrap().iter().map(|entry| entry["message"].as_str().unwrap().to_owned()).collect()
    }

    /// A picture of the window, beside the test's other leavings, for who wants to look.
    fn picture(&self, name: &str) {
        let picture = curl("GET", &format!("{}/screenshot", self.session), &Value::Null);
        let folder = root().join("target/tmp/pages");
        std::fs::create_dir_all(&folder).unwrap();
        let encoded = folder.join(format!("{name}.base64"));
        std::fs::write(&encoded, picture.as_str().unwrap()).unwrap();
        let bytes = Command::new("base64").arg("-d").arg(&encoded).output().unwrap().stdout;
        std::fs::remove_file(encoded).unwrap();
        std::fs::write(folder.join(format!("{name}.png")), bytes).unwrap();
    }
}

/// A page is one file: nothing in it is fetched from anywhere, and no name in it is markup.
fn is_alone(browser: &Browser) {
    let fetched = browser.value("performance.getEntriesByType('resource').map(one => one.name)");
    assert_eq!(fetched, json!([]));
    assert_eq!(browser.complaints(), Vec::<String>::new());
    assert_eq!(browser.value("document.querySelectorAll('img, iframe, link, object, embed').length"), json!(0));
    // What no window is too narrow for.
    assert_eq!(browser.value("document.documentElement.scrollWidth <= innerWidth"), json!(true));
}

/// A report in which everything occurs, and names that would be markup if they could.
fn report() -> Value {
    let age = |news: &str, since: &str| json!({ "news": news, "since": since });
    let drifted = json!({ "state": "drifted", "property": "IdleTimeout", "expected": "60", "actual": "90" });
    let hostile = "<img src=x onerror=alert(1)>";
    let finding = |target: &str, resource: &str, state: &Value, age: Value| {
        let mut finding = json!({ "target": target, "resource": resource, "kind": "AWS::EC2::Route", "physical": "id-1", "state": state });
        if !age.is_null() {
            finding["age"] = age;
        }
        finding
    };
    let site = |name: &str, findings: Vec<Value>, gone: Value| {
        let trend: Vec<Value> = (1..=30)
            .map(|day| json!({ "at": format!("2026-11-{day:02}T03:12:00Z"), "drifted": day % 4, "notChecked": day / 29 }))
            .collect();
        json!({ "site": name, "place": "AWS account 210987654321, us-east-1", "at": "2026-11-27T03:12:04Z", "milliseconds": 1200,
            "requests": 7, "inSync": 40, "findings": findings, "gone": gone, "trend": trend })
    };
    let sites = vec![
        site("calm", vec![], json!([])),
        site(
            "lakeside",
            vec![
                finding("lakeside-portal", "Balancer", &drifted, age("new", "2026-11-27T03:12:00Z")),
                finding("lakeside-network", hostile, &drifted, age("known", "2026-11-03T03:12:00Z")),
                finding("lakeside-network", "Flap", &drifted, age("flapping", "2026-11-20T03:12:00Z")),
                finding(
                    "lakeside-network",
                    "Route1",
                    &json!({ "state": "notCovered", "why": "nobody reads it" }),
                    Value::Null,
                ),
                finding(
                    "lakeside-network",
                    "Route2",
                    &json!({ "state": "notCovered", "why": "nobody reads it" }),
                    Value::Null,
                ),
                finding("lakeside-pool", "Group", &json!({ "state": "pending", "what": "would change" }), Value::Null),
                finding(
                    "lakeside-data",
                    "Bucket",
                    &json!({ "state": "ignored", "property": "P", "expected": "1", "actual": "2",
                    "reason": "ticket 4711", "until": "2027-01-31" }),
                    Value::Null,
                ),
            ],
            json!([{ "what": "lakeside-keys DataKey", "since": "2026-11-20T03:12:00Z" }]),
        ),
        site(
            "riverside",
            vec![finding(
                "riverside",
                "",
                &json!({ "state": "notChecked", "why": hostile }),
                age("new", "2026-11-27T03:12:00Z"),
            )],
            json!([]),
        ),
    ];
    json!({ "format": 3, "at": "2026-11-27T03:12:00Z", "milliseconds": 184_000, "whole": true, "counts": {}, "sites": sites })
}

#[test]
#[ignore = "needs the testbed"]
fn the_drift_page_is_filtered_and_drilled_into() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("report.json"), report().to_string()).unwrap();
    let here = folder.path().to_str().unwrap();
    assert_eq!(incline(&["drift", "merge", here, "--report", here]).status.code(), Some(1));
    let page = folder.path().join("index.html");
    for (name, width, height, more) in [
        ("drift-desktop", 1280, 1000, vec![]),
        ("drift-phone", 390, 844, vec![]),
        ("drift-dark", 1280, 1000, vec!["--blink-settings=preferredColorScheme=0"]),
    ] {
        let browser = Browser::open(width, height, &more);
        browser.go(&page);
        browser.picture(name);
        is_alone(&browser);
        let dark = browser.value("getComputedStyle(document.body).backgroundColor");
        assert_eq!(dark == json!("rgb(20, 23, 26)"), name == "drift-dark", "{name}: {dark}");
    }
    let browser = Browser::open(1280, 1000, &[]);
    browser.go(&page);
    // The gravest first; what nobody checks is folded away.
    let order = browser.value("[...document.querySelectorAll('.card')].map(one => one.id)");
    assert_eq!(order, json!(["riverside", "lakeside", "calm"]));
    assert_eq!((browser.seen(".finding"), browser.seen(".card")), (6, 3));
    browser.click("input[value=notCovered]");
    assert_eq!(browser.seen(".finding"), 7);
    browser.click("input[value=drifted]");
    assert_eq!(browser.seen(".finding"), 4);
    browser.click("input[value=drifted]");
    // Words, by the key that opens the field.
    browser.write("body", "/");
    assert_eq!(browser.value("document.activeElement.id"), json!("words"));
    browser.write("#words", "lakeside portal");
    assert_eq!((browser.seen(".finding"), browser.seen(".card")), (1, 1));
    assert_eq!(browser.value("document.getElementById('shown').textContent"), json!("1 finding shown"));
    // Into it: before and after.
    assert_eq!(browser.seen("pre"), 0);
    browser.click("#lakeside .finding[data-news=new] summary");
    assert_eq!(browser.seen("pre"), 2);
    assert_eq!(browser.value("document.querySelector('.after').textContent"), json!("90"));
    browser.write("#words", "\u{e00c}");
    assert_eq!(browser.seen(".card"), 3);
    browser.click("#only-news");
    assert_eq!((browser.seen(".finding"), browser.seen(".card")), (2, 2));
    assert_eq!(browser.complaints(), Vec::<String>::new());
    // By the keyboard alone: from the first link to a site's card.
    browser.click("#only-news");
    browser.write(".glance li:nth-child(2) a", "\u{e007}");
    assert_eq!(browser.value("location.hash"), json!("#lakeside"));
}

#[test]
#[ignore = "needs the testbed"]
fn an_evidence_page_needs_no_script_and_no_network() {
    let folder = tempfile::tempdir().unwrap();
    succeed(&["evidence", "hillcrest-dc", "--offline", "--out", folder.path().to_str().unwrap()]);
    let page = folder.path().join("hillcrest-dc.html");
    for (name, width, height) in [("evidence-desktop", 1280, 1000), ("evidence-phone", 390, 844)] {
        let browser = Browser::open(width, height, &[]);
        browser.go(&page);
        browser.picture(name);
        is_alone(&browser);
        assert_eq!(browser.value("document.scripts.length"), json!(0));
        // What is excepted stands open; what holds is opened by hand.
        assert_eq!(browser.seen("details[open]"), browser.seen("details:has(.excepted)"));
        assert!(browser.seen("details[open]") > 0);
        let closed = "details:not([open]) summary";
        let before = browser.seen("details[open]");
        browser.click(closed);
        assert_eq!(browser.seen("details[open]"), before + 1);
    }
    let evidence: Value =
        serde_json::from_slice(&std::fs::read(folder.path().join("hillcrest-dc.json")).unwrap()).unwrap();
    let text = std::fs::read_to_string(&page).unwrap();
    for safeguard in evidence["safeguards"].as_array().unwrap() {
        let applies = safeguard["standing"] != "not-applicable";
        assert_eq!(text.contains(&format!(">{}<", safeguard["rule"].as_str().unwrap())), applies, "{safeguard}");
        let places = safeguard["places"].as_array().unwrap();
        assert!(places.iter().all(|place| text.contains(place.as_str().unwrap())), "{safeguard}");
    }
    assert!(text.contains("the clinic has two racks"), "the exception's reason is there");
}
