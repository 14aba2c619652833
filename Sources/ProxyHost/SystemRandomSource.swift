// SystemRandomSource: the kernel's entropy behind the core's interface.
import Primitives

/// Unpredictable bytes from getrandom(2).
final class SystemRandomSource: RandomSource {
    func fill(_ bytes: UnsafeMutableRawBufferPointer) { System.fillRandom(bytes) }
}
