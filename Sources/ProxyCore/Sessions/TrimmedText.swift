// Trimmed text: a text without what stands at its ends.

extension String {
    /// The text without the characters at both ends that `isDropped` names.
    func trimming(_ isDropped: (Character) -> Bool) -> String {
        guard let first = firstIndex(where: { !isDropped($0) }), let last = lastIndex(where: { !isDropped($0) }) else { return "" }
        return String(self[first...last])
    }
}
