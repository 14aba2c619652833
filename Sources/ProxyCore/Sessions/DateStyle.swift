// DateStyle: the two things that the setting of that name is (`check_datestyle` in PostgreSQL's variable.c).

struct DateStyle {
    /// ISO, SQL, POSTGRES or GERMAN, if it is named.
    private(set) var style: String?
    /// YMD, DMY or MDY, if it is named.
    private(set) var order: String?

    /// - Parameter value: words with commas between, such as `sql, dmy`; nil for what PostgreSQL would not take.
    init?(_ value: String) {
        for word in value.uppercased().split(whereSeparator: { ", '\"".contains($0) }) {
            switch word {
            case "ISO", "SQL": style = String(word)
            case "YMD": order = "YMD"
            case "DMY": order = "DMY"
            case "MDY", "US": order = "MDY"
            default:
                if word.hasPrefix("POSTGRES") {
                    style = "POSTGRES"
                } else if word.hasPrefix("GERMAN") {
                    style = "GERMAN"
                    order = order ?? "DMY"
                } else if word.hasPrefix("EURO") {
                    order = "DMY"
                } else if word.hasPrefix("NONEURO") {
                    order = "MDY"
                } else {
                    return nil
                }
            }
        }
    }
}
