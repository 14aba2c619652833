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
        var all = edges
        for (place, node) in nodes.enumerated() {
            guard let end = node.end else { continue }
            for (other, later) in nodes.enumerated() where end < later.begin { all[place].append((other, "was answered before")) }
        }
        var states = [State](repeating: .new, count: nodes.count)
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
                    let circle = path[(path.firstIndex { $0.node == target } ?? 0)...]
                    return circle.map { "\(nodes[$0.node].name) \(all[$0.node][$0.next - 1].reason) " }.joined() + nodes[target].name
                }
            }
        }
        return nil
    }

    private enum State { case new, onPath, done }
}
