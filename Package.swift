// swift-tools-version: 6.1
// pgbraid's targets. Imports go strictly downward in the order they stand here. A target names whatever it imports, and what the layout of its
// values depends on: it is compiled again only when what it names has changed.
import PackageDescription

let plain: [SwiftSetting] = [.swiftLanguageMode(.v6)]
// What is tested is optimised in debug builds too: otherwise the dialogues take more than twice as long.
let strict = plain + [.unsafeFlags(["-O", "-assert-config", "Debug"], .when(configuration: .debug))]
// The modules every byte passes through. The optimised executable does without the run-time check that no variable is
// accessed twice at once: it took a quarter of the instructions of a query. All tests run with the check.
let hot = strict + [.unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release))]

let package = Package(
    name: "pgbraid",
    products: [.executable(name: "pgbraid", targets: ["pgbraid"]), .executable(name: "pgbraid-relay", targets: ["pgbraid-relay"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
        .package(url: "https://github.com/LebJe/TOMLKit", exact: "0.6.0"),
    ],
    targets: [
        .systemLibrary(name: "CPGQuery", providers: [.apt(["libpg-query-dev", "libprotobuf-c-dev"])]),
        .systemLibrary(name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
        .target(name: "CLinux"),
        .target(name: "Primitives", swiftSettings: hot),
        .target(name: "WireProtocol", dependencies: ["Primitives", "COpenSSL"], swiftSettings: hot),
        .target(name: "DatabaseClient", dependencies: ["Primitives", "WireProtocol", "COpenSSL"], swiftSettings: strict),
        .target(name: "ShardMap", dependencies: ["Primitives"], swiftSettings: hot),
        .target(name: "RowSplitting", dependencies: ["Primitives", "ShardMap"], swiftSettings: strict),
        .target(name: "ResultMerging", dependencies: ["Primitives", "WireProtocol"], swiftSettings: hot),
        .target(
            name: "QueryPlanning",
            dependencies: ["Primitives", "WireProtocol", "ShardMap", "ResultMerging", "CPGQuery"], swiftSettings: hot),
        .target(name: "DistributedCommit", dependencies: ["Primitives"], swiftSettings: strict),
        .target(
            name: "ProxyCore",
            dependencies: [
                "Primitives", "WireProtocol", "ShardMap", "RowSplitting", "ResultMerging", "QueryPlanning",
                "DistributedCommit", .product(name: "Logging", package: "swift-log"),
            ], swiftSettings: hot),
        .target(
            name: "ProxyHost",
            dependencies: [
                "Primitives", "WireProtocol", "ShardMap", "QueryPlanning", "ProxyCore", "DistributedCommit", "CLinux", "COpenSSL", "TOMLKit",
                .product(name: "Logging", package: "swift-log"),
            ], swiftSettings: hot),
        .target(name: "CapacityPlanning", dependencies: ["Primitives"], swiftSettings: strict),
        .target(
            name: "Practice", dependencies: ["Primitives", "WireProtocol", "DatabaseClient", "ShardMap", "ResultMerging", "CPGQuery", "QueryPlanning", "CapacityPlanning", .product(name: "Logging", package: "swift-log")],
            swiftSettings: strict),
        .systemLibrary(name: "CRabbitMQ", providers: [.apt(["librabbitmq-dev"])]),
        .systemLibrary(name: "CRdKafka", providers: [.apt(["librdkafka-dev"])]),
        .target(
            name: "OutboxRelay",
            dependencies: ["Primitives", "WireProtocol", "DatabaseClient", "CRabbitMQ", "CRdKafka", "TOMLKit", .product(name: "Logging", package: "swift-log")],
            swiftSettings: strict),
        .target(
            name: "Reconciliation",
            dependencies: [
                "Primitives", "WireProtocol", "DatabaseClient", "ShardMap", "ProxyCore", "Practice", .product(name: "Logging", package: "swift-log"),
            ], swiftSettings: strict),
        .target(
            name: "HTTPEndpoint", dependencies: ["CLinux", "Primitives", "WireProtocol", "DatabaseClient", .product(name: "Logging", package: "swift-log")],
            swiftSettings: strict),
        .target(
            name: "Simulation",
            dependencies: [
                "Primitives", "WireProtocol", "ShardMap", "QueryPlanning", "DistributedCommit", "ProxyCore",
                .product(name: "Logging", package: "swift-log"),
            ], swiftSettings: hot),
        .executableTarget(
            name: "simulate",
            dependencies: [
                "Primitives", "DistributedCommit", "ProxyCore", "Simulation", .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ], swiftSettings: strict),
        .executableTarget(
            name: "pgbraid",
            dependencies: [
                "Primitives", "WireProtocol", "ShardMap", "QueryPlanning", "DistributedCommit", "ProxyCore", "ProxyHost", "DatabaseClient", "Practice",
                "Reconciliation", "CapacityPlanning",
                "HTTPEndpoint", .product(name: "Logging", package: "swift-log"), .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: strict),
        .executableTarget(
            name: "pgbraid-relay",
            dependencies: [
                "Primitives", "DatabaseClient", "OutboxRelay", .product(name: "Logging", package: "swift-log"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ], swiftSettings: strict),
        .target(name: "TestSupport", path: "Tests/Support", swiftSettings: plain),
        .testTarget(name: "PrimitivesTests", dependencies: ["Primitives"], swiftSettings: plain),
        .testTarget(name: "WireProtocolTests", dependencies: ["WireProtocol", "Primitives"], swiftSettings: plain),
        .testTarget(name: "ShardMapTests", dependencies: ["Primitives", "ShardMap", "TestSupport"], swiftSettings: plain),
        .testTarget(name: "RowSplittingTests", dependencies: ["Primitives", "ShardMap", "RowSplitting", "TestSupport"], swiftSettings: plain),
        .testTarget(name: "ResultMergingTests", dependencies: ["Primitives", "WireProtocol", "ResultMerging", "TestSupport"], swiftSettings: plain),
        .testTarget(
            name: "QueryPlanningTests",
            dependencies: ["Primitives", "WireProtocol", "ShardMap", "ResultMerging", "CPGQuery", "QueryPlanning", "TestSupport"], exclude: ["Golden"],
            swiftSettings: plain),
        .testTarget(name: "DistributedCommitTests", dependencies: ["Primitives", "DistributedCommit"], swiftSettings: plain),
        .testTarget(name: "OutboxRelayTests", dependencies: ["OutboxRelay"], swiftSettings: plain),
        .testTarget(name: "CapacityPlanningTests", dependencies: ["Primitives", "CapacityPlanning"], swiftSettings: plain),
        .testTarget(name: "SimulationTests", dependencies: ["Primitives", "DistributedCommit", "ProxyCore", "Simulation"], swiftSettings: plain),
        .testTarget(name: "HTTPEndpointTests", dependencies: ["Primitives", "WireProtocol", "DatabaseClient", "HTTPEndpoint", "TestSupport"], swiftSettings: plain),
        .testTarget(
            name: "ReconciliationTests", dependencies: ["Primitives", "WireProtocol", "DatabaseClient", "ShardMap", "ProxyCore", "Reconciliation", "TestSupport"],
            swiftSettings: plain),
        .testTarget(
            name: "ProxyHostTests", dependencies: ["Primitives", "WireProtocol", "ShardMap", "QueryPlanning", "ProxyCore", "ProxyHost", "COpenSSL", "TestSupport"], swiftSettings: plain),
        .testTarget(
            name: "IntegrationTests", dependencies: ["WireProtocol", "Primitives", "TestSupport", "CRdKafka"], exclude: ["Dialogues", "Drivers", "Explain"],
            swiftSettings: plain),
    ]
)
