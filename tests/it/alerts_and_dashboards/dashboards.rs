//! The queries of the dashboards.

use serde_json::Value;

use super::stack;

/// A query of a panel or of a dashboard variable.
#[derive(Debug)]
pub(crate) struct Query {
    /// The names of the dashboard and the panel.
    pub(crate) location: String,
    /// The type of the data source.
    pub(crate) source: String,
    pub(crate) text: String,
}

impl Query {
    /// Returns the query with values in place of its variables: no filter, and a time range of an hour.
    pub(crate) fn filled_in(&self) -> String {
        let values = [
            ("${team_label}", "team_id"),
            ("${team:regex}", ".*"),
            ("${model:regex}", ".*"),
            ("$__range", "1h"),
            ("$__interval", "5m"),
            ("$__auto", "5m"),
            ("$service", "claude-code"),
            ("$team", ".*"),
            ("$model", ".*"),
            ("$tool", ".*"),
            ("$user", ".*"),
            ("$session", ".*"),
            ("$prompt", ".*"),
            ("$event", ".+"),
        ];
        let mut text = self.text.clone();
        for (variable, value) in values {
            text = text.replace(variable, value);
        }
        assert!(!text.contains('$'), "{}: {text}", self.location);
        text
    }
}

/// Returns the dashboards with their names.
pub(crate) fn all() -> Vec<(String, Value)> {
    let mut dashboards = Vec::new();
    for entry in std::fs::read_dir(stack("grafana/dashboards")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(path).unwrap();
        dashboards.push((name, serde_json::from_str(&text).unwrap()));
    }
    dashboards
}

/// Returns every query of every dashboard.
pub(crate) fn queries() -> Vec<Query> {
    let mut queries = Vec::new();
    for (name, dashboard) in all() {
        for panel in dashboard["panels"].as_array().unwrap() {
            for target in panel["targets"].as_array().into_iter().flatten() {
                let text = target["expr"].as_str().or(target["query"].as_str());
                queries.push(Query {
                    location: format!("{name}: {}", panel["title"].as_str().unwrap()),
                    source: target["datasource"]["type"].as_str().unwrap().to_owned(),
                    text: text.unwrap().to_owned(),
                });
            }
        }
        for variable in dashboard["templating"]["list"].as_array().unwrap() {
            if variable["type"] == "query" {
                // label_values(metric, label)
                let text = variable["query"]["query"].as_str().unwrap();
                let inner = text.strip_prefix("label_values(").unwrap();
                let (metric, label) = inner.strip_suffix(')').unwrap().split_once(", ").unwrap();
                queries.push(Query {
                    location: format!("{name}: the variable {}", variable["name"]),
                    source: "prometheus".to_owned(),
                    text: format!("count by ({label}) ({metric}{{{label}!=\"\"}})"),
                });
            }
        }
    }
    queries
}

#[test]
fn panels_of_the_four_dashboards_have_unique_ids_and_do_not_overlap() {
    let dashboards = all();
    assert_eq!(dashboards.len(), 4);
    for (name, dashboard) in dashboards {
        let panels = dashboard["panels"].as_array().unwrap();
        let mut ids: Vec<_> = panels.iter().map(|panel| panel["id"].as_u64()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), panels.len(), "{name}");
        for panel in panels {
            let at = |panel: &Value, key: &str| panel["gridPos"][key].as_u64().unwrap();
            let apart = |other: &&Value| {
                let beside = |start, size| {
                    at(panel, start) >= at(other, start) + at(other, size)
                        || at(other, start) >= at(panel, start) + at(panel, size)
                };
                panel["id"] == other["id"] || beside("x", "w") || beside("y", "h")
            };
            assert!(panels.iter().all(|other| apart(&other)), "{name}: {panel}");
            // The grid of Grafana has 24 columns.
            assert!(at(panel, "x") + at(panel, "w") <= 24);
        }
    }
}

#[test]
fn active_users_are_counted_per_day_week_and_month() {
    let queries = queries();
    for window in ["1d", "7d", "30d"] {
        let counts = |query: &&Query| {
            let text = query.filled_in();
            let window = format!("[{window}]");
            text.starts_with("count(group by (user)") && text.contains(&window)
        };
        // One panel shows a number, the other a graph.
        assert_eq!(queries.iter().filter(counts).count(), 2, "{window}");
    }
}

/// Links to another dashboard set only variables that the target defines.
#[test]
fn dashboard_links_have_a_target_with_the_variables_they_set() {
    let dashboards = all();
    let mut links = 0;
    for (name, dashboard) in &dashboards {
        let text = dashboard.to_string();
        for link in text.split("\"/d/").skip(1) {
            let link = link.split('"').next().unwrap();
            let (uid, parameters) = link.split_once('?').unwrap();
            let target = dashboards.iter().find(|(_, target)| target["uid"] == uid);
            let (_, target) = target.expect(link);
            let variables = target["templating"]["list"].as_array().unwrap();
            for parameter in parameters.split('&').filter_map(|p| p.strip_prefix("var-")) {
                let variable = parameter.split('=').next().unwrap();
                assert!(
                    variables.iter().any(|v| v["name"] == variable),
                    "{name}: {link}"
                );
            }
            links += 1;
        }
    }
    assert!(links >= 5);
}
