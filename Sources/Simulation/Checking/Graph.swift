// Graph: what came before what, and whether that is possible.
import Primitives

/// Events with their times, and relations between them.
struct Graph {
    private var nodes: [(name: String, begin: Instant, end: Instant?)]
    private var edges: [[(to: Int, reason: String)]]

    init(_ nodes: [(String, Instant, Instant?)]) {
        self.nodes = nodes.map { (name: $0.0, begin: $0.1, end: $0.2) }
        edges = Array(repeating: [], count: nodes.count)
    }

    mutating func add(_ name: String, _ begin: Instant, _ end: Instant?) -> Int {
        nodes.append((name, begin, end))
        edges.append([])
        return nodes.count - 1
    }

    mutating func addEdge(_ earlier: Int, _ later: Int, _ reason: String) {
        if earlier != later { edges[earlier].append((later, reason)) }
    }

    /// A circle of relations, told in words; nil: there is none.
    func cycle() -> String? {
        let all = edgesWithTime()
        var states = [State](repeating: .new, count: all.count)
        for start in nodes.indices where states[start] == .new {
            var path: [(node: Int, next: Int)] = [(start, 0)]
            states[start] = .onPath
            while let last = path.last {
                guard last.next < all[last.node].count else {
                    states[last.node] = .done
                    path.removeLast()
                    continue
                }
                path[path.count - 1].next += 1
                let target = all[last.node][last.next].to
                switch states[target] {
                case .done: continue
                case .new:
                    states[target] = .onPath
                    path.append((target, 0))
                case .onPath:
                    let circle = path[(path.firstIndex { $0.node == target } ?? 0)...].filter { $0.node < nodes.count }
                    return circle.map { "\(nodes[$0.node].name) \(all[$0.node][$0.next - 1].reason) " }.joined() + (circle.first.map { nodes[$0.node].name } ?? "")
                }
            }
        }
        return nil
    }

    /// All edges, with those of time: a node for each moment at which something was answered, from one to the next, leads from what
    /// was answered by then to what began later.
    private func edgesWithTime() -> [[(to: Int, reason: String)]] {
        var all = edges
        let moments = Set(nodes.compactMap(\.end)).sorted()
        all += moments.indices.map { $0 + 1 < moments.count ? [(nodes.count + $0 + 1, "")] : [] }
        for (place, node) in nodes.enumerated() {
            if let end = node.end { all[place].append((nodes.count + Self.count(of: moments, below: end), "was answered before")) }
            let earlier = Self.count(of: moments, below: node.begin)
            if earlier > 0 { all[nodes.count + earlier - 1].append((place, "")) }
        }
        return all
    }

    /// How many of the sorted moments are before this one.
    private static func count(of moments: [Instant], below moment: Instant) -> Int {
        var (low, high) = (0, moments.count)
        while low < high {
            let middle = (low + high) / 2
            if moments[middle] < moment { low = middle + 1 } else { high = middle }
        }
        return low
    }

    private enum State { case new, onPath, done }
}
