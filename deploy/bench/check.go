package main

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// An outcome is what the milter decided about one message.
type outcome struct {
	at      command  // the event it was decided at
	reply   reply    // the last reply
	text    string   // the SMTP reply, where the milter gave one
	changes []change // to the message, in the order they were made
}

// A change is one modification of a message.
type change struct {
	what  reply
	value string // the first argument: an address where it is the envelope that changes, the name of a header field
	more  string // the second argument: the value of a header field
}

// accepted says whether the MTA takes the message.
func (o *outcome) accepted() bool { return o.reply == replyAccept || o.reply == replyContinue }

// refused says whether the SMTP client gets a permanent refusal.
func (o *outcome) refused() bool {
	return o.reply == replyReject || o.reply == replyCode && o.text[0] == '5'
}

// envelope returns the changes other than those of the header.
func (o *outcome) envelope() []change {
	var cs []change
	for _, c := range o.changes {
		if c.what != changeAddHeader && c.what != changeInsHeader && c.what != changeHeader {
			cs = append(cs, c)
		}
	}
	return cs
}

func (o *outcome) String() string {
	s := fmt.Sprintf("reply %q to %q", o.reply, o.at)
	if o.text != "" {
		s += fmt.Sprintf(" (%s)", o.text)
	}
	for _, c := range o.changes {
		s += fmt.Sprintf(", change %q %s", c.what, c.value)
	}
	return s
}

// A checker says what is wrong with the outcome of a message, if anything is.
type checker func(*message, *outcome) error

// checkSigned demands that the message is accepted with one new envelope sender, a tagged form of the old one.
func checkSigned(m *message, o *outcome) error {
	cs := o.envelope()
	switch {
	case !o.accepted():
		return errors.New("outbound mail was not accepted")
	case len(cs) != 1 || cs[0].what != changeSender:
		return errors.New("want one new envelope sender and no other change of the envelope")
	case !isTagged(bare(cs[0].value), m.sender):
		return fmt.Errorf("new envelope sender is not a tagged form of %s", m.sender)
	}
	return nil
}

// checkUntagged demands that the bounce is accepted and its recipient replaced, the tagged one deleted first.
// (The other order loses the message on Sendmail.)
func checkUntagged(m *message, o *outcome) error {
	cs := o.envelope()
	switch {
	case !o.accepted():
		return errors.New("genuine bounce was not accepted")
	case len(cs) != 2 || cs[0].what != changeDelRcpt || cs[1].what != changeAddRcpt && cs[1].what != changeAddRcptPar:
		return errors.New("want one recipient deleted, then one added, and no other change of the envelope")
	case bare(cs[0].value) != m.recipient:
		return fmt.Errorf("deleted recipient is not %s", m.recipient)
	case bare(cs[1].value) != m.signer:
		return fmt.Errorf("added recipient is not %s", m.signer)
	}
	return nil
}

// checkRefused demands a permanent refusal.
func checkRefused(_ *message, o *outcome) error {
	if !o.refused() {
		return errors.New("forged bounce was not refused with a 5xx reply")
	}
	return nil
}

// checkPlain demands that the message is accepted with the envelope it had.
func checkPlain(_ *message, o *outcome) error {
	if !o.accepted() || len(o.envelope()) > 0 {
		return errors.New("ordinary mail was not accepted with its envelope unchanged")
	}
	return nil
}

// checkUntouched demands what a milter that does nothing does.
func checkUntouched(_ *message, o *outcome) error {
	if !o.accepted() || len(o.changes) > 0 {
		return errors.New("the null milter did something")
	}
	return nil
}

// The two forms of a tagged address (draft-levine-smtp-batv-01 section 4.1, and as a sub-address).
var (
	standardForm   = regexp.MustCompile(`^prvs=[0-9]{4}[0-9a-f]{6}=(.+)$`)
	subAddressForm = regexp.MustCompile(`^(.+)\+prvs=[0-9]{4}[0-9a-f]{6}(@[^@]+)$`)
)

// isTagged says whether tagged is the address original with a tag. It cannot know whether the signature is right; that
// shows when bounces to the tag are accepted.
func isTagged(tagged, original string) bool {
	if g := standardForm.FindStringSubmatch(tagged); g != nil {
		return g[1] == original
	}
	g := subAddressForm.FindStringSubmatch(tagged)
	return g != nil && g[1]+g[2] == original
}

// forge returns the tagged address with another signature.
func forge(tagged string) string {
	const digitsBefore = len("prvs=KDDDSSSSS") // up to the last digit of the signature
	at := strings.Index(tagged, "prvs=") + digitsBefore
	digit := byte('0')
	if tagged[at] == digit {
		digit = '1'
	}
	return tagged[:at] + string(digit) + tagged[at+1:]
}

// bare returns the address without its angle brackets.
func bare(path string) string {
	return strings.TrimSuffix(strings.TrimPrefix(path, "<"), ">")
}
