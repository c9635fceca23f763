package bounce

// work counts the steps that the reading of one message takes, and ends it when they are spent. One step is an octet that is looked at,
// some nanoseconds. Every loop over text that is as long as the message asks for its steps first, so that no message costs more time than
// its size allows, whatever it contains.
//
// The budget is a backstop: all loops are meant to be linear, and genuine messages take a small part of it. A message that exceeds it
// was made for that purpose, or has shown a mistake here.
type work struct {
	spent, most int
	// truncated says that a part of the message, or a message within it, was not read.
	truncated bool
}

const (
	// StepsPerOctet is how many steps of work a message may take for each of its octets. Long ordinary messages take 15 at most.
	StepsPerOctet = 40
	// leastSteps is what a short message has, too: each has a header and a text, which are compared with lists of words. Collections of
	// real messages take a quarter of both at most.
	leastSteps = 4_000_000
)

// exhausted is the value of the panic with which work ends the reading. It does not leave the package.
type exhausted struct{}

func newWork(octets int) *work { return &work{most: leastSteps + StepsPerOctet*octets} }

func (w *work) spend(steps int) {
	if w.spent += steps; w.spent > w.most {
		panic(exhausted{})
	}
}

// look counts octets that are looked at one by one.
func (w *work) look(octets int) { w.spend(octets) }

// skim counts octets that are only copied, or searched for an octet, which processors do for many at once.
func (w *work) skim(octets int) { w.spend(octets / skimmed) }

// decode counts octets that are decoded from a charset, which takes a table, and space for the result.
func (w *work) decode(octets int) { w.spend(octets * decoded) }

// items counts things that cost the same whatever their length: lines, fields, addresses.
func (w *work) items(n int) { w.spend(n * perItem) }

// The weights of work, as measured by BenchmarkStep.
const (
	skimmed = 8  // octets a step
	decoded = 8  // steps an octet
	perItem = 48 // steps

	// decoderItems is how many items an encoded word counts as: its decoder has buffers of 8 KiB.
	decoderItems = 48
	// dateItems is how many items a date counts as: its reader tries many forms.
	dateItems = 80
)

// lower returns s in lower case, to be searched for phrases. It counts both.
func (w *work) lower(s string) string {
	if isASCII(s) {
		w.look(2 * len(s))
	} else {
		w.decode(len(s))
	}
	w.items(1)
	return lower(s)
}
