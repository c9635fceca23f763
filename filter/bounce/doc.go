// Package bounce reads what kind of automatic message a mail is and which message it answers.
//
// [Read] reads one message from a stream, [Parse] one in memory. Both return a [Report]: the message's [Kind] (delivery
// status notification, bounce in no standard form, read receipt, automatic reply, challenge, abuse report, or none of
// these), the software that wrote it, the original messages that it answers, and what became of each recipient. A [Report]
// prints itself as one line of JSON.
//
//	report, err := bounce.Read(r, bounce.DefaultLimits())
//	for _, o := range report.Originals { // the message answered first, the innermost of nested bounces last
//		fmt.Println(o.MessageID, o.Source)
//	}
//
// Many MTAs follow no standard, so the package is lenient. Malformed input yields what was found and a list of problems.
// The only error is that of the caller's reader, and it comes with a partial Report. [Limits] bound what one message may
// cost: what exceeds them is not read, and what came before is still reported.
//
// A Report is a claim by the author of the message, who may be an attacker. It proves nothing by itself: the caller looks
// up in its own records whether it sent the Message-ID that the Report names.
//
// The envelope sender is evidence as well. A caller that knows it puts it in front of the message as a Return-Path field,
// as final delivery does (RFC 5321 section 4.4). But the null sender alone makes no message a bounce or a reply: much mail
// that answers nothing has it, such as notices of web sites, calendars and telephones, and list mail that Exchange passes
// on, bounces that people forward, and what services write about mail, parcels or calls that did not arrive. Where only words, the
// null sender beside In-Reply-To, or a bounce under the name of an ordinary sender show what a message is, the Report says that
// these are weak signs, and the caller may know better. A calendar part, the header of a list or that of a mail program overrules them.
//
// The knowledge about formats is data: families.go lists the software with the words it uses, rules.go the phrases that
// introduce a recipient or a returned message, in many languages. To add an MTA, add a row there and a sample under
// testdata. The rest follows RFC 3464 (delivery status), RFC 6522 (multipart/report), RFC 8098 (disposition), RFC 3834
// (automatic replies), RFC 5965 (feedback reports) and RFC 2045 to 2047 (MIME).
//
// The package refuses to do anything but read: it uses no network, no clock and no configuration, and has no state between
// two calls. Its functions may be called from several goroutines.
package bounce
