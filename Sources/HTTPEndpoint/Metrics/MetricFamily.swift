// MetricFamily: metrics as text, after the OpenMetrics specification 1.0.

/// All samples of one metric.
struct MetricFamily: Equatable, Sendable {
    enum Kind: String, Sendable { case counter, gauge, histogram, info }

    /// Without the suffix that its kind gives the samples.
    var name: String
    var kind: Kind
    /// The name ends with it.
    var unit: String?
    var help: String
    var samples: [MetricSample] = []

    init(_ name: String, _ kind: Kind, unit: String? = nil, _ help: String) {
        self.name = name
        self.kind = kind
        self.unit = unit
        self.help = help
    }

    mutating func add(_ value: MetricValue, _ labels: [(String, String)] = [], suffix: String? = nil) {
        let usual = kind == .counter ? "_total" : kind == .info ? "_info" : ""
        samples.append(MetricSample(name: name + (suffix ?? usual), labels: labels.map { .init(name: $0.0, value: $0.1) }, value: value))
    }

    /// The same family with one sample.
    func with(_ value: MetricValue, _ labels: [(String, String)] = []) -> MetricFamily {
        var family = self
        family.add(value, labels)
        return family
    }
}

struct MetricSample: Equatable, Sendable {
    struct Label: Equatable, Sendable {
        var name: String
        var value: String
    }

    var name: String
    var labels: [Label]
    var value: MetricValue
}

enum MetricValue: Equatable, Sendable {
    case whole(UInt64)
    case real(Double)

    var text: String {
        switch self {
        case .whole(let number): "\(number)"
        case .real(let number): number == .infinity ? "+Inf" : number.isNaN ? "NaN" : "\(number)"
        }
    }
}

/// The text format.
enum OpenMetrics {
    static let contentType = "application/openmetrics-text; version=1.0.0; charset=utf-8"

    static func text(_ families: [MetricFamily]) -> String {
        var text = ""
        for family in families where !family.samples.isEmpty {
            text += "# TYPE \(family.name) \(family.kind.rawValue)\n"
            if let unit = family.unit { text += "# UNIT \(family.name) \(unit)\n" }
            text += "# HELP \(family.name) \(escaped(family.help))\n"
            for sample in family.samples { text += line(sample) }
        }
        return text + "# EOF\n"
    }

    private static func line(_ sample: MetricSample) -> String {
        let labels = sample.labels.map { "\($0.name)=\"\(escaped($0.value))\"" }.joined(separator: ",")
        return sample.name + (labels.isEmpty ? "" : "{\(labels)}") + " \(sample.value.text)\n"
    }

    /// What would end a value or a line is written as two characters. Scalar by scalar: to Swift a quote with an accent, or CR LF, is one character.
    /// A carriage return has no form of its own; some readers take it for the end of the line.
    static func escaped(_ text: String) -> String {
        var result = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\", "\"": result.append(contentsOf: ["\\", scalar])
            case "\n": result.append(contentsOf: ["\\", "n"])
            case "\r": result.append("\u{FFFD}")
            default: result.append(scalar)
            }
        }
        return String(result)
    }
}
