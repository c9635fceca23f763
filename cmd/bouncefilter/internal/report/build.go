package report

// Build makes a report. It does no I/O, reads no clock and changes nothing of its input.
func Build(in Input) *Report {
	r := &Report{Made: in.Now, From: in.From, Until: in.Until, Origin: "store", Domain: in.Domain, Node: in.Node, Log: in.Log}
	if in.Log != nil {
		r.Origin = "log"
	}
	return r
}
