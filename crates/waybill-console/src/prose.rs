//! The project's own Markdown as HTML. Its links lead to sections of the same page, for at 3 a.m. the
//! network that the documentation stands on may be the thing that is down; what leads elsewhere is text.

use pulldown_cmark::{Alignment, CowStr, Event, LinkType, Options, Parser, Tag, TagEnd, html};

/// The id of a section: its title in small letters, without spaces.
pub(crate) fn anchor(title: &str) -> String {
    title.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// HTML of `text`, which must be this project's own: what is HTML in it is left out, but nothing else is
/// looked at. A table may be wider than the window.
pub(crate) fn html(text: &str) -> String {
    let mut leads_nowhere = false;
    let events = Parser::new_ext(text, Options::ENABLE_TABLES).filter_map(|event| match event {
        Event::Html(_) | Event::InlineHtml(_) => None,
        // how columns are aligned would be a style of their own, which the page's policy forbids
        Event::Start(Tag::Table(columns)) => {
            Some(Event::Start(Tag::Table(vec![Alignment::None; columns.len()])))
        }
        Event::Start(Tag::Link { dest_url, title, id, .. }) => {
            let href = section(&dest_url).map(CowStr::from);
            leads_nowhere = href.is_none();
            let link = |dest_url| Tag::Link { link_type: LinkType::Inline, dest_url, title, id };
            href.map(|href| Event::Start(link(href)))
        }
        Event::End(TagEnd::Link) if leads_nowhere => None,
        event => Some(event),
    });
    let mut out = String::with_capacity(text.len() * 2);
    html::push_html(&mut out, events);
    // what looks so in the text itself is escaped by now
    out.replace("<th>", "<th scope=\"col\">")
        .replace("<table>", "<div class=\"wide\"><table>")
        .replace("</table>", "</table></div>")
}

/// Where a link leads on the page that has all of docs/RUNBOOK.md and docs/ON-CALL.md.
fn section(href: &str) -> Option<String> {
    let (file, fragment) = href.split_once('#').unwrap_or((href, ""));
    let title = match (file, fragment) {
        ("ON-CALL.md", "") => "On call",
        ("RUNBOOK.md", "") => "Runbook",
        ("" | "ON-CALL.md" | "RUNBOOK.md", fragment) => fragment,
        _ => return None,
    };
    Some(format!("#{}", anchor(title)))
}

#[cfg(test)]
mod tests {
    use super::html;

    #[test]
    fn links_lead_to_sections_or_are_text() {
        assert_eq!(html("[a](RUNBOOK.md#two-words)"), "<p><a href=\"#twowords\">a</a></p>\n");
        assert_eq!(html("[all](ON-CALL.md)"), "<p><a href=\"#oncall\">all</a></p>\n");
        assert_eq!(html("[`x.yml`](../x.yml) [b](#b)"), "<p><code>x.yml</code> <a href=\"#b\">b</a></p>\n");
    }

    #[test]
    fn what_looks_like_a_tag_does_nothing() {
        assert_eq!(html("a <b>c</b> `<d>`"), "<p>a c <code>&lt;d&gt;</code></p>\n");
        assert!(!html("<script>alert(1)</script>").contains("<script"));
    }

    #[test]
    fn a_table_may_be_wide() {
        let table = html("| a |\n| -: |\n| 1 |");
        assert!(
            table.starts_with("<div class=\"wide\"><table>") && table.trim_end().ends_with("</div>"),
            "{table}"
        );
        assert!(table.contains("<th scope=\"col\">a</th>") && !table.contains("style"), "{table}");
    }
}
