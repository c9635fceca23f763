// Package bounce tells what kind of automatic message a mail is and which message it answers.
//
// [Read] takes one message from a stream and returns a [Report]: its [Kind] (delivery status notification, bounce in no
// standard form, read receipt, automatic reply, abuse report, or none of these), the software that wrote it, the original
// messages that it answers, and what became of each recipient. A [Report] prints itself as one line of JSON.
//
//	report, err := bounce.Read(r, bounce.DefaultLimits())
//	for _, o := range report.Originals { // the message answered first, the innermost of nested bounces last
//		fmt.Println(o.MessageID, o.Source)
//	}
//
// Mail from the wild follows no standard for long, so nothing here is strict. Malformed input yields what could be found
// and a list of problems; the only error is that of the reader, and it comes with a partial Report. [Limits] bound what
// one message may cost: what lies beyond them is not read, and what came before is still reported.
//
// A Report is a claim by whoever wrote the message. It proves nothing by itself: the caller asks its own records whether
// the Message-ID found here is one that it sent.
//
// The envelope sender is evidence too. A caller that knows it writes it as a Return-Path field in front of the message,
// as final delivery does (RFC 5321 section 4.4).
//
// What is known about formats is data: families.go lists the software with the words it uses, rules.go the phrases that
// introduce a recipient or a returned message, in all languages seen. An MTA that is not understood is one more row
// there and one more sample under testdata. The rest follows RFC 3464 (delivery status), RFC 6522 (multipart/report),
// RFC 8098 (disposition), RFC 3834 (automatic replies), RFC 5965 (feedback reports) and RFC 2045 to 2047 (MIME).
//
// The package reads a message and nothing else: no network, no clock, no configuration, no state between two calls. Its
// functions may be called from several goroutines.
package bounce
