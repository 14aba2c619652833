// Theme: what a world is about. What a mistake needs is often several rare things at once; a world with a theme has them
// all the time. What a theme does not draw anew stays as the climate is
// (Climate+Themes.swift).
//
// A theme is drawn from dice of its own: a world without one is the same whether or not there are themes.
enum Theme: Int, CaseIterable {
    /// Links fall silent at steps of a commit for longer than the commit waits, while others read.
    case silentLinks
    /// One server, its links or what is told to it are lost again and again, while others read; decisions grow old meanwhile.
    case lostServer
    /// Links break and processes end under statements of blocks, many with savepoints, many on one shard.
    case brokenBlocks
    /// Snapshot windows are too narrow for the network, so that most reads need several attempts.
    case narrowWindows
    /// Nothing fails, but transactions wait for each other in circles, with others in the same queues.
    case lockKnots
    /// Many clients do much on few rows, one server is far away, and hardly anything fails.
    case crowd

    private static let weighted: [Theme] = [
        .silentLinks, .silentLinks, .lostServer, .lostServer, .lostServer, .brokenBlocks, .brokenBlocks, .narrowWindows, .lockKnots, .lockKnots, .crowd,
    ]

    /// The theme of a world; nil: it has none.
    static func drawn(_ dice: Dice, isStrict: Bool) -> Theme? {
        if dice.chance(25) { return nil }
        if isStrict, dice.chance(60) { return .crowd }
        return dice.one(of: Self.weighted)
    }
}
