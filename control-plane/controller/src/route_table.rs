//! The routes that are served, as a table.

use translate::ServedRoute;

/// The table, with a line of headings; aligned by characters.
pub(crate) fn table(routes: &[ServedRoute]) -> String {
    let mut rows = vec![["PORT", "HOST", "MATCHES", "LEADS TO", "ROUTE"].map(str::to_owned)];
    for route in routes {
        let row = [
            route.port.to_string(),
            route.host.clone(),
            route.matches.clone(),
            route.leads_to.clone(),
            route.route.clone(),
        ];
        // The shares of a rule are routes of their own, which look alike.
        if rows.last() != Some(&row) {
            rows.push(row);
        }
    }
    let mut widths = [0; 5];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let line = |row: &[String; 5]| {
        let cells: Vec<_> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let route = |port, matches: &str| ServedRoute {
            port,
            host: "*".to_owned(),
            matches: matches.to_owned(),
            leads_to: "openai".to_owned(),
            route: "default/models".to_owned(),
        };
        let routes = [route(8080, "/v1*"), route(8080, "/v1*"), route(80, "/ (long)")];
        let expected = "\
PORT  HOST  MATCHES   LEADS TO  ROUTE
8080  *     /v1*      openai    default/models
80    *     /ₓ(long)  openai    default/models"
            .replace('ₓ', " ");
        assert_eq!(table(&routes), expected);
    }
}
