// LinkOutput: where what goes to a link is written.
import Primitives

extension Worker {
    @inline(__always)
    func output(ofLink index: Int32) -> UnsafeMutablePointer<Stream> { streams.at(links.at(index).pointee.stream.index) }

    /// The link's output for a Query, or an unnamed Parse of the proxy's own: either ends the unnamed statement that was there,
    /// which may be of use to another session.
    @inline(__always)
    func outputEndingUnnamed(ofLink index: Int32) -> UnsafeMutablePointer<Stream> {
        links.at(index).pointee.unnamedStatement = 0
        return output(ofLink: index)
    }

    /// Reads on from a stream the worker had paused.
    func resumeReading(_ stream: StreamID) {
        streams.at(stream.index).pointee.isReadPaused = false
        effects.append(.resume(stream))
    }
}
