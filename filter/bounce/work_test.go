package bounce

// plenty is work for the pieces of the reader, which the tests do not count.
func plenty() *work { return newWork(1 << 20) }
