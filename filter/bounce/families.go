package bounce

import "strings"

// place is where the words of a family are.
type place uint8

const (
	inText   place = iota // the text of the report
	inHeader              // a field of the report, as "name: value"
	inFrom                // the From field
	inID                  // the report's Message-ID
	inMTA                 // the reporting MTA, or the machine-readable part
)

// family is the software or service that wrote a report. Two rows with one name are two ways to recognise it. The first
// row that fits counts: specific rows come before those whose words other software has copied. Words are in lower case.
type family struct {
	name  string
	place place
	words string
}

var families = []family{
	// Services and gateways that send through another product's MTA.
	{"googlegroups", inText, "google groups"},
	{"gmail", inFrom, "@googlemail.com"},
	{"gmail", inText, "google tried to deliver your message"},
	{"gmail", inID, "@mx.google.com"},
	{"amazonses", inID, "amazonses.com"},
	{"amazonses", inMTA, "amazonses.com"},
	{"amazonses", inHeader, "x-mailer: amazon workmail"},
	{"sendgrid", inMTA, "sendgrid"},
	{"sendgrid", inHeader, "x-mailer: mailsend"},
	{"mailru", inHeader, "x-mailer-daemon-recipients:"},
	{"mailru", inFrom, "@corp.mail.ru"},
	{"yandex", inMTA, "yandex"},
	{"yandex", inFrom, "@yandex."},
	{"yahoo", inHeader, "x-ymailisg:"},
	{"yahoo", inFrom, "mailer-daemon@yahoo"},
	{"gmx", inHeader, "x-ui-out-filterresults:"},
	{"gmx", inFrom, "@mail.gmx."},
	{"1and1", inText, "for the following reason: mail size limit exceeded"},
	{"1and1", inText, "header of the original message is following"},
	{"facebook", inMTA, "facebook"},
	{"facebook", inFrom, "facebook.com"},
	{"zoho", inHeader, "x-mailer: zoho"},
	{"zoho", inHeader, "x-zohomail"},
	{"zoho", inText, ", error_code :"},
	{"aol", inMTA, "mx.aol.com"},
	{"mimecast", inHeader, "x-mimecast"},
	{"mimecast", inID, "mimecast"},
	{"messagelabs", inHeader, "x-msg-ref:"},
	{"messagelabs", inFrom, "@messagelabs.com"},
	{"symantec", inHeader, "brightmail"},
	{"symantec", inMTA, "symantec"},
	{"barracuda", inHeader, "x-barracuda"},
	{"office365", inText, "exchange online"},
	{"office365", inMTA, "prod.outlook.com"},
	{"office365", inID, "prod.outlook.com"},
	{"outlook.com", inFrom, "postmaster@outlook.com"},
	{"outlook.com", inMTA, "hotmail.com"},
	{"ezweb", inFrom, "ezweb.ne.jp"},
	{"kddi", inFrom, "@au.com"},
	{"biglobe", inFrom, "biglobe.ne.jp"},
	{"verizon", inFrom, "vtext.com"},
	{"verizon", inFrom, "vzwpix.com"},
	{"t-online", inFrom, "t-online.de"},
	{"qq", inFrom, "@qq.com"},
	{"netease", inFrom, "@163.com"},
	{"proofpoint", inHeader, "x-proofpoint"},

	// Filters.
	{"mcafee", inHeader, "x-nai-header:"},
	{"mcafee", inFrom, "mxlogic.net"},
	{"mcafee", inText, "message was infected with a virus"},
	{"interscan", inText, "interscan"},
	{"interscan", inFrom, "interscan"},
	{"mailmarshal", inText, "mailmarshal"},
	{"mailmarshal", inHeader, "x-mailer: mailmarshal"},
	{"surfcontrol", inHeader, "x-sef"},
	{"surfcontrol", inText, "transcript of the attempts to send the message"},
	{"m-filter", inText, "m-filter"},
	{"amavis", inText, "amavis"},
	{"amavis", inMTA, "amavis"},
	{"ironport", inHeader, "x-ironport"},

	// MTAs.
	{"chasquid", inID, "chasquid-dsn-"},
	{"chasquid", inFrom, "postmaster-dsn@"},
	{"zonemta", inMTA, "x-zonemta-"},
	{"zonemta", inHeader, "x-sending-zone:"},
	{"nullmailer", inText, "this is the nullmailer delivery system"},
	{"cyrus", inID, "cmu-sieve-"},
	{"qmail", inText, "qmail-send"},
	{"qmail", inText, "this message has been in the queue too long"},
	{"james", inText, "james mail server"},
	{"exim", inHeader, "x-failed-recipients:"},
	{"exim", inText, "created automatically by mail delivery software"},
	{"exim", inHeader, "eximdsn"},
	{"opensmtpd", inText, "this is the mailer-daemon, please do not reply"},
	{"dragonfly", inText, "dragonfly mail agent"},
	{"courier", inText, "courier mail server"},
	{"courier", inHeader, "=_courier"},
	{"domino", inText, "domino directory"},
	{"domino", inHeader, "lotus domino"},
	{"domino", inHeader, "x-mimetrack:"},
	{"lotus", inText, "failure reasons"},
	{"exchange2003", inHeader, "x-mailer: internet mail service"},
	{"exchange2003", inText, "msexch:"},
	{"iis-smtp", inHeader, "x-dsncontext:"},
	{"iis-smtp", inHeader, "9b095b5adsn"},
	{"exchange", inText, "diagnostic information for administrators"},
	{"exchange", inHeader, "x-ms-exchange"},
	{"exchange", inHeader, "x-ms-embedded-report"},
	{"imail", inHeader, "x-mailer: <smtp32"},
	{"imail", inText, "body of message generated response"},
	{"mailfoundry", inText, "mailfoundry"},
	{"mdaemon", inHeader, "x-mdaemon"},
	{"mdaemon", inFrom, "mdaemon@"},
	{"mdaemon", inText, "mdaemon"},
	{"communigate", inHeader, "communigate"},
	{"communigate", inText, "smtp module(domain"},
	{"powermta", inText, "powermta"},
	{"powermta", inHeader, "x-powermta"},
	{"messagingserver", inText, "this report relates to a message you sent with the following header"},
	{"smail", inText, "failed addresses follow:"},
	{"groupwise", inHeader, "groupwise"},
	{"hmailserver", inText, "hmailserver"},
	{"smartermail", inHeader, "smartermail"},
	{"kerio", inText, "kerio"},
	{"zimbra", inHeader, "zimbra"},
	{"haraka", inText, "haraka"},
	{"mailman", inHeader, "x-mailman"},
	{"postfix", inText, "this is the postfix program"},
	{"postfix", inText, "this is the mail system at host"},
	{"postfix", inText, "i'm sorry to have to inform you that"},
	{"postfix", inMTA, "x-postfix-"},
	{"postfix", inHeader, "(postfix)"},
	{"sendmail", inText, "transcript of session follows"},
	{"sendmail", inText, "permanent fatal errors"},
	{"sendmail", inText, "this is a warning message only"},
	{"exim", inHeader, "(exim "},
	{"sendmail", inHeader, "auto-submitted: auto-generated (failure)"},
}

// familyOf returns the family that wrote the report, or "other". text and status are in lower case.
func familyOf(w *work, h header, text, status string) string {
	from, id := h.lower("from"), h.lower("message-id")
	var fields strings.Builder
	for _, f := range h {
		// Of the trace, only the MTA that wrote the message matters: it is in the last Received field.
		if f.name != "received" {
			w.items(1)
			fields.WriteString(f.name + ": " + f.value[:min(len(f.value), 200)] + "\n")
		}
	}
	for i := len(h) - 1; i >= 0; i-- {
		if h[i].name == "received" {
			fields.WriteString(h[i].value[:min(len(h[i].value), 400)])
			break
		}
	}
	places := [...]string{
		inText: text, inHeader: w.lower(fields.String()), inFrom: from, inID: id, inMTA: status,
	}
	low := len(families)
	for place, s := range places {
		if i := familyWords[place].words.lowest(s); i >= 0 {
			low = min(low, familyWords[place].rows[i])
		}
	}
	if low == len(families) {
		return "other"
	}
	return families[low].name
}

// familyWords are the rows of families by place.
var familyWords = func() (byPlace [inMTA + 1]struct {
	words *phrases
	rows  []int
}) {
	for place := range byPlace {
		var words []string
		for i, f := range families {
			if int(f.place) == place {
				words = append(words, f.words)
				byPlace[place].rows = append(byPlace[place].rows, i)
			}
		}
		byPlace[place].words = newPhrases(words)
	}
	return byPlace
}()
