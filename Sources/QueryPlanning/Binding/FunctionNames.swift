// FunctionNames: names of functions of pg_catalog as calls have them.
import CPGQuery

enum FunctionNames {
    /// The function's name, nil when it stands in a schema other than pg_catalog.
    static func name(of call: Message<PgQuery__FuncCall>) -> String? {
        let names = NodeList(call.pointee.funcname, call.pointee.n_funcname).strings
        switch names.count {
        case 1: return names[0]
        case 2 where names[0] == "pg_catalog": return names[1]
        default: return nil
        }
    }
}
