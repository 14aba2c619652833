// StatementCall: one statement about to be carried out: its plan, its text and what was bound to it.
import Primitives
import QueryPlanning
import ResultMerging
import WireProtocol

/// One execution of one statement.
struct StatementCall {
    let plan: StatementPlan
    /// The exact text of this statement alone.
    let text: [UInt8]
    var parameterTypes: [UInt32] = []
    /// The types by which keys are read from parameters (`BoundParameters.openType`), where they are others than those.
    var routingTypes: [UInt32]?
    /// The types of parameters that the client left open and PostgreSQL has told it; for values that hold OIDs alone.
    var describedTypes: [UInt32] = []
    /// The client's Bind frame; nil for a simple Query.
    var bind: [UInt8]?
    /// A simple Query's rows come with their description; in the extended protocol the client asks for it apart.
    var wantsDescription = true
    /// Rows Execute asks for at a time; 0: all.
    var maximumRows: Int32 = 0
    /// The types that the client itself has declared.
    var declaredTypes: [UInt32] = []
    /// Its answer is kept with the key of its request: none of it passes to the client meanwhile.
    var isKept = false

    /// The result formats of Bind, as many as it gave.
    var resultFormats: [FormatCode] {
        guard let bind else { return [] }
        return bind.withUnsafeBytes { bytes in
            guard let message = try? BindMessage(bytes) else { return [] }
            return (0..<message.resultFormatCount).map { message.resultFormatCode($0) }
        }
    }
}

extension StatementCall {
    /// The same call with another plan: what the client bound and expects stays.
    func replanned(_ plan: StatementPlan, text: [UInt8]) -> StatementCall {
        var other = StatementCall(plan: plan, text: text)
        other.parameterTypes = parameterTypes
        other.routingTypes = routingTypes
        other.describedTypes = describedTypes
        other.bind = bind
        other.wantsDescription = wantsDescription
        other.isKept = isKept
        return other
    }

    /// LIMIT and OFFSET with the values of the call.
    /// - Throws: for a parameter that is not read as an integer: nothing is guessed.
    func window(of plan: ScatterPlan) throws(MergeError) -> RowWindow {
        try RowWindow(limit: try rowCount(plan.limit), offset: try rowCount(plan.offset))
    }

    private func rowCount(_ count: RowCount?) throws(MergeError) -> Int64? {
        switch count {
        case nil: return nil
        case .constant(let value): return value
        case .parameter(let number):
            guard let bind else { return nil }
            let types = routingTypes ?? parameterTypes
            let value = bind.withUnsafeBytes { LimitValue.read($0, number, type: types.indices.contains(number - 1) ? types[number - 1] : 0) }
            switch value {
            case .null: return nil
            case .rows(let rows): return rows
            case .unreadable:
                throw MergeError(
                    .featureNotSupported, "the value of $\(number) in LIMIT or OFFSET cannot be read",
                    hint: "Bind it as an integer, or cast the parameter to bigint.")
            }
        }
    }
}

extension Worker {
    /// Evaluates a route with the values of a call.
    func resolve(_ route: Route, of call: StatementCall, session: Int32) -> RouteOutcome {
        let bytes = call.bind ?? []
        return call.text.withUnsafeBytes { text in
            bytes.withUnsafeBytes { bind in
                let message = call.bind == nil ? nil : try? BindMessage(bind)
                return resolve(route, session: session, text: text, bind: message, parameterTypes: call.routingTypes ?? call.parameterTypes, prefer: nil)
            }
        }
    }
}

extension ByteQueue {
    /// Parse, Bind, Describe, Flush, Execute and Sync of a statement on unnamed objects.
    ///
    /// Flush behind Describe: PostgreSQL takes the snapshot at Bind and answers it at once, however long Execute runs.
    /// - Parameters:
    ///   - keptParameters: which parameters the text still has; the others are sent as NULL of type text, since
    ///     PostgreSQL wants a type for each. Nil: all.
    ///   - describingPortal: a portal that the statement makes, to be described instead of the statement's own.
    mutating func writeCall(
        _ call: StatementCall, text: [UInt8], resultFormats: [FormatCode], keptParameters: Set<Int>? = nil, describingPortal: String? = nil
    ) {
        let empty = UnsafeRawBufferPointer(start: nil, count: 0)
        let mark = beginFrame(FrontendMessageType.parse)
        append(UInt8(0))
        append(text)
        append(UInt8(0))
        writeTypes(call, keptParameters)
        endFrame(mark)
        if let bind = call.bind {
            bind.withUnsafeBytes { bytes in
                guard let message = try? BindMessage(bytes) else { return }
                if let keptParameters {
                    writeBind(message, keeping: keptParameters, resultFormats: resultFormats)
                } else {
                    writeBind(message, portal: empty, statement: empty, resultFormats: resultFormats)
                }
            }
        } else {
            writeBind(resultFormats: resultFormats)
        }
        if describingPortal == nil { writeDescribe(.portal, name: empty) }
        writeFlush()
        writeExecute(portal: empty)
        if let describingPortal { writeDescribe(.portal, name: describingPortal) }
        writeSync()
    }
}

extension ByteQueue {
    private mutating func writeTypes(_ call: StatementCall, _ keptParameters: Set<Int>?) {
        guard let keptParameters else {
            append(count: call.parameterTypes.count)
            for type in call.parameterTypes { append(integer: type) }
            return
        }
        let count = max(call.parameterTypes.count, call.plan.parameterCount)
        append(count: count)
        for number in 1...max(1, count) where number <= count {
            let declared = number <= call.parameterTypes.count ? call.parameterTypes[number - 1] : 0
            append(integer: keptParameters.contains(number) ? declared : 25)
        }
    }

    mutating func writeBind(_ message: BindMessage, keeping kept: Set<Int>, resultFormats: [FormatCode]) {
        let mark = beginFrame(FrontendMessageType.bind)
        append(UInt8(0))
        append(UInt8(0))
        append(formats: (0..<message.parameterCount).map { kept.contains($0 + 1) ? message.parameterFormat($0) : .text })
        append(count: message.parameterCount)
        message.forEachParameter { index, parameter in append(value: kept.contains(index + 1) ? parameter.value : nil) }
        append(formats: resultFormats)
        endFrame(mark)
    }
}

/// The numbers of the parameters a text mentions; `$n` inside quotes counts too, which does no harm.
func parametersMentioned(in text: [UInt8]) -> Set<Int> {
    var numbers: Set<Int> = []
    var index = 0
    while index < text.count {
        guard text[index] == UInt8(ascii: "$") else {
            index += 1
            continue
        }
        index += 1
        var number = 0
        while index < text.count, text[index] >= UInt8(ascii: "0"), text[index] <= UInt8(ascii: "9"), number < 100_000 {
            number = number * 10 + Int(text[index] - UInt8(ascii: "0"))
            index += 1
        }
        if number > 0 { numbers.insert(number) }
    }
    return numbers
}
