package backtest

import (
	"encoding/base64"
	"encoding/binary"
	"path/filepath"
	"strings"
	"unicode/utf16"
)

// sentNames are the names under which mail programs save what was sent, in lower case: what follows "INBOX." and the like is enough.
// Thunderbird, Apple Mail, Outlook, Dovecot, Cyrus, mutt, Roundcube and others use them in the languages of their users.
var sentNames = map[string]bool{
	"sent": true, "sent mail": true, "sent-mail": true, "sent_mail": true, "sentmail": true, "sent items": true, "sent messages": true,
	"sent-messages": true, "outbox": true,
	"gesendet": true, "gesendete objekte": true, "gesendete elemente": true, "gesendete nachrichten": true, "gesendete e-mails": true, "postausgang": true,
	"envoyés": true, "éléments envoyés": true, "messages envoyés": true, "objets envoyés": true, "courrier envoyé": true,
	"enviados": true, "elementos enviados": true, "mensajes enviados": true, "correo enviado": true, "itens enviados": true, "mensagens enviadas": true,
	"inviata": true, "posta inviata": true, "inviati": true, "elementi inviati": true, "messaggi inviati": true,
	"verzonden": true, "verzonden items": true, "verzonden berichten": true, "verstuurd": true,
	"skickat": true, "skickade objekt": true, "skickade meddelanden": true, "sendt": true, "sendte elementer": true, "sendt post": true,
	"lähetetyt": true, "lähetetyt viestit": true, "wysłane": true, "elementy wysłane": true, "odeslané": true, "odeslaná pošta": true,
	"odoslané": true, "elküldött": true, "elküldött elemek": true, "trimise": true, "poslano": true, "poslane stavke": true,
	"отправленные": true, "надіслані": true, "изпратени": true, "gönderilmiş": true, "gönderilmiş öğeler": true, "gönderilenler": true,
	"απεσταλμένα": true, "送信済み": true, "送信済みアイテム": true, "已发送": true, "已发送邮件": true, "已傳送郵件": true, "寄件備份": true,
	"보낸 편지함": true, "보낸편지함": true, "المرسلة": true, "נשלח": true,
}

// isSentFolder says whether the name of a file or folder is one of sent mail.
//
// Maildir++ has the whole way to a folder in its name, ".Archive.Sent"; mboxes have endings, and pine and mutt a month behind the name.
func isSentFolder(name string) bool {
	name = strings.ToLower(decodeUTF7(name))
	name = strings.TrimSuffix(strings.TrimSuffix(name, ".mbox"), ".sbd")
	for part := range strings.SplitSeq(strings.TrimPrefix(name, "."), ".") {
		part = strings.TrimPrefix(part, "[gmail]/")
		if sentNames[part] || strings.HasPrefix(part, "sent-mail-") || strings.HasPrefix(part, "sent-20") {
			return true
		}
	}
	return false
}

// isBelow says whether path is root, or below it.
func isBelow(path, root string) bool {
	rel, err := filepath.Rel(root, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}

// decodeUTF7 decodes the modified UTF-7 of mailbox names (RFC 3501 section 5.1.3). What is not in it is returned as it is.
func decodeUTF7(s string) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(s, "&")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		code, after, found := strings.Cut(rest, "-")
		if !found {
			b.WriteString("&" + rest)
			return b.String()
		}
		switch octets, err := base64.RawStdEncoding.DecodeString(strings.ReplaceAll(code, ",", "/")); {
		case code == "":
			b.WriteByte('&')
		case err != nil:
			b.WriteString("&" + code + "-")
		default:
			units := make([]uint16, len(octets)/2)
			for i := range units {
				units[i] = binary.BigEndian.Uint16(octets[2*i:])
			}
			b.WriteString(string(utf16.Decode(units)))
		}
		s = after
	}
}
