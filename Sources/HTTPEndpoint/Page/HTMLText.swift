// HTMLText: text becomes HTML in one place, where nothing of it can be markup.

enum HTML {
    /// For element content and for attribute values in double quotes.
    static func escaped(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            case "'": result += "&#39;"
            // Control characters are none of HTML's, and those that turn the direction of writing could disguise a name.
            case _ where scalar.value < 0x20 && scalar != "\n" && scalar != "\t" || scalar.value == 0x7F: result += "\u{FFFD}"
            case "\u{202A}"..."\u{202E}", "\u{2066}"..."\u{2069}": result += "\u{FFFD}"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}

/// How something is, which its colour says as well as its words.
enum Mood: String, Sendable {
    case plain, good, warning, bad
}

/// One value of a table.
struct PageCell: Equatable, Sendable {
    var text: String
    var mood = Mood.plain

    init(_ text: String, _ mood: Mood = .plain) {
        self.text = text
        self.mood = mood
    }
}

/// A table of the page.
struct PageTable: Equatable, Sendable {
    struct Column: Equatable, Sendable {
        var title: String
        var isNumber = false
        /// It is left out when there is nothing in it.
        var isRemark = false

        static func text(_ title: String) -> Column { Column(title: title) }
        static func number(_ title: String) -> Column { Column(title: title, isNumber: true) }
        static func remark(_ title: String) -> Column { Column(title: title, isRemark: true) }
    }

    /// Rows that are shown at most.
    static let maximumRows = 100

    var columns: [Column]
    var rows: [[PageCell]]

    var html: String {
        let places = columns.indices.filter { place in !columns[place].isRemark || rows.contains { !$0[place].text.isEmpty } }
        let head = places.map { "<th\(columns[$0].isNumber ? " class=\"number\"" : "")>\(HTML.escaped(columns[$0].title))</th>" }.joined()
        let body = rows.prefix(Self.maximumRows).map { row in "<tr>\(places.map { Self.html(columns[$0], row[$0]) }.joined())</tr>\n" }.joined()
        let rest = rows.count - Self.maximumRows
        let more = rest > 0 ? "<p class=\"note\">\(rest) more are not shown.</p>\n" : ""
        return "<div class=\"wide\"><table>\n<thead><tr>\(head)</tr></thead>\n<tbody>\n\(body)</tbody>\n</table></div>\n\(more)"
    }

    private static func html(_ column: Column, _ cell: PageCell) -> String {
        let classes = (column.isNumber ? ["number"] : []) + (cell.mood == .plain ? [] : [cell.mood.rawValue])
        return "<td\(classes.isEmpty ? "" : " class=\"\(classes.joined(separator: " "))\"")>\(HTML.escaped(cell.text))</td>"
    }
}

/// A part of the page: a heading, what to know, and a table if there is anything to show.
struct PageSection: Equatable, Sendable {
    var title: String
    var note: String
    var table: PageTable?

    init(_ title: String, note: String, table: PageTable? = nil) {
        self.title = title
        self.note = note
        self.table = table
    }

    var html: String {
        "<section>\n<h2>\(HTML.escaped(title))</h2>\n<p class=\"note\">\(HTML.escaped(note))</p>\n\(table?.html ?? "")</section>\n"
    }
}
