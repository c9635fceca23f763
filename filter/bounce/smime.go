package bounce

import "strings"

// signed returns what an S/MIME part contains whose signature is around it (RFC 8551 section 3.5.2): a MIME part with its header.
// It does not parse the CMS structure, and verifies nothing: it finds the header within the first octets. What follows the part,
// certificates and signature, stays behind it and does no harm. Long content may come in pieces, with a few octets between them.
func (p *part) signed() (inner string, ok bool) {
	const (
		head  = 512 // octets in front of the content
		field = "content-type:"
	)
	if p.kind != "application/pkcs7-mime" && p.kind != "application/x-pkcs7-mime" || !strings.EqualFold(p.params["smime-type"], "signed-data") {
		return "", false
	}
	b := p.octets()
	i := indexFold(string(b[:min(len(b), head)]), field)
	if i < 0 {
		return "", false
	}
	return normal(b[i:]), true
}
