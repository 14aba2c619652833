// DateWords: texts that PostgreSQL may read as the present time.

/// Words that the input functions of dates and times read as the time of the statement.
enum DateWords {
    static let types: Set<String> = ["date", "time", "timetz", "timestamp", "timestamptz"]
    /// OIDs of the same types.
    static let typeOIDs: Set<UInt32> = [1082, 1083, 1266, 1114, 1184]

    /// Whether a text may be such a time, or a range, array or row with one: `now`, `today 10:00 Europe/Paris`, `[now,)`, `{now}`. A sentence
    /// that has the word is none.
    static func isIn(_ text: String) -> Bool {
        text.lowercased().split(whereSeparator: { separators.contains($0) }).contains { isTime($0) }
    }

    /// What stands between the elements of arrays, ranges, rows and JSON.
    private static let separators: Set<Character> = [",", "(", ")", "[", "]", "{", "}", "\"", ";"]

    private static func isTime(_ element: Substring) -> Bool {
        guard words(element).contains(where: { ["now", "today", "tomorrow", "yesterday"].contains($0) }) else { return false }
        let others = element.split { !($0.isLetter || $0.isNumber || "/_+-".contains($0)) }.filter { token in
            words(token).contains { !known.contains($0) }
        }
        // A time has one time zone.
        return others.count < 2 && others.allSatisfy(mayBeZone)
    }

    private static func words(_ text: Substring) -> [String] { text.split { !$0.isLetter }.map(String.init) }

    /// datetktbl in src/backend/utils/adt/datetime.c, of which such a word leaves room for these.
    private static let known: Set<String> = [
        "now", "today", "tomorrow", "yesterday", "am", "pm", "ad", "bc", "at", "on", "t", "z", "zulu", "utc", "allballs", "dst", "isdst", "h", "m", "mm", "s",
        "mon", "monday", "tue", "tues", "tuesday", "wed", "weds", "wednesday", "thu", "thur", "thurs", "thursday", "fri", "friday", "sat", "saturday", "sun",
        "sunday",
    ]

    /// Abbreviations are short, and most names have a slash or a number.
    private static func mayBeZone(_ token: Substring) -> Bool {
        token.count <= 5 || token.contains { $0 == "/" || $0.isNumber } || zones.contains(String(token))
    }

    /// Other names of zones in the tz database.
    private static let zones: Set<String> = [
        "factory", "greenwich", "hongkong", "iceland", "israel", "jamaica", "kwajalein", "navajo", "poland", "portugal", "singapore", "turkey", "universal",
        "localtime", "posixrules",
    ]
}
