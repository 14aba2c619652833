// NamedCounts: counts with names, in a fixed order, as one line of text and back.

/// Counts by name.
package struct NamedCounts: Sendable, Equatable {
    package private(set) var names: [String]
    package private(set) var counts: [Int]

    package init(_ names: [String]) {
        self.names = names
        counts = Array(repeating: 0, count: names.count)
    }

    /// From `text`; what is no `name=count` is left out.
    package init(text: Substring) {
        self.init([])
        for entry in text.split(separator: " ") {
            let parts = entry.split(separator: "=")
            if parts.count == 2, let count = Int(parts[1]) { self[String(parts[0])] = count }
        }
    }

    /// `name=count`, with blanks between.
    package var text: String { zip(names, counts).map { "\($0)=\($1)" }.joined(separator: " ") }

    /// A name that is not there yet counts nothing.
    package subscript(name: String) -> Int {
        get { names.firstIndex(of: name).map { counts[$0] } ?? 0 }
        set {
            if let place = names.firstIndex(of: name) {
                counts[place] = newValue
            } else {
                names.append(name)
                counts.append(newValue)
            }
        }
    }

    package mutating func add(_ name: String, _ count: Int = 1) { self[name] += count }

    /// Adds counts that stand in the order of the names.
    package mutating func add(_ values: [Int]) {
        for (place, value) in values.enumerated() { counts[place] += value }
    }

    package mutating func add(_ other: NamedCounts) {
        if names == other.names { return add(other.counts) }
        for (name, count) in zip(other.names, other.counts) { self[name] += count }
    }
}
