package bounce

// The phrases below are compared with text in lower case, white space folded to single spaces. They are fragments that
// several programs share, in many languages, rather than whole sentences of one program.

// daemonNames are the beginnings of local parts that bounces come from. They are compared with display names as well.
var daemonNames = []string{
	"mailer-daemon", "mailerdaemon", "mailer_daemon", "mail-daemon", "maildaemon", "mdaemon", "postmaster", "post_master",
	"mail.delivery", "mail-delivery", "mail delivery", "mail deliver system", "mail.deliver", "delivery subsystem",
	"mail administrator", "system administrator", "mail system", "email delivery", "internet mail delivery",
	"message delivery", "microsoft outlook", "microsoftexchange329e71ec88ae4615bbc36ab6ce41109e", "returned mail", "mail router", "mail server", "bounce-notification",
	"bounces-noreply", "undeliverable", "notification system", "symantec_antivirus", "mailsystem", "delivery failure", "non-delivery",
}

// bounceSubjects are parts of subjects of bounces.
var bounceSubjects = newPhrases([]string{
	"undeliver", "undelivered", "non-deliver", "nondeliver", "not delivered", "could not deliver", "could not be delivered",
	"couldn't be delivered", "cannot be delivered", "unable to deliver", "returned mail", "returned message",
	"returning message", "mail returned", "message returned", "delivery fail", "delivery has failed", "delivery status",
	"delivery notification", "delivery problem", "delivery error", "delivery warning", "delivery delay", "delivery report",
	"deliver status", "failed delivery", "failure delivery", "failure notice", "failure notification", "failed mail",
	"failed: ", "failed to deliver", "mail failure", "message failure", "mail system error", "mail error", "error mail",
	"could not send", "couldn't send", "not be sent", "bounced", "bounce", "unzustellbar", "nicht zustellbar",
	"unzustellbare", "zustellung", "delivery incomplete", "message delayed", "delayed mail", "mail delayed", "delayed ",
	"warning: message", "warning: could not", "permanent error", "permanent fail", "user unknown", "unknown user",
	"message undeliverable", "message status - undel", "message rejected", "mail rejected", "rejected:", "blocked message",
	"no se puede entregar", "no se pudo entregar", "no entregado", "notificación de estado", "mensaje devuelto",
	"non remis", "non distribu", "échec", "echec", "retour de courrier", "mancata consegna", "consegna fallita",
	"errore nella consegna", "não entregue", "nao entregue", "falha na entrega", "devolvida", "mail non recapitabile",
	"niet bestelbaar", "onbestelbaar", "niet afgeleverd", "kunde inte levereras", "ej levererat", "kunne ikke leveres",
	"niedostarcz", "nie dostarcz", "zwrot", "не доставлен", "недоставл", "не удалось доставить", "ошибка доставки",
	"уведомление о доставке", "配信", "配送", "送信できません", "エラーメール", "リターンメール", "届きません", "退信", "未送达", "无法投递", "投递失败",
	"전송 실패", "반송", "teslim edilemedi", "iletilemedi", "nedoručit", "kézbesít", "toimittamat",
	"entregable", "se puede entregar", "se pudo entregar", "devuelto", "non recapitabile", "mancato recapito", "recapito non",
	"foi possível entregar", "é possível entregar", "niet worden bezorgd", "worden afgeleverd", "inte levereras", "ikke leveres", "voitu toimittaa",
	"nedoručen", "nedoruči", "nelivrabil", "livrare", "неможливо доставити", "не вдалося доставити", "неуспешна доставка", "μη παραδόσιμο", "αποτυχία",
	"teslim edilemez", "נכשלה", "ניתן למסירה", "تعذر", "فشل", "배달 불가", "배달할 수 없", "전송되지", "无法送达", "無法傳遞", "無法投遞", "退件", "送达失败",
	"nepristat", "nepiegād", "neisporuč", "isporuka", "không gửi được", "không thể gửi", "ไม่สามารถส่ง", "gagal dikirim", "tidak terkirim",
})

// failures are what bounces say near their beginning. From a sender that bounces come from, one of them is enough.
var failures = newPhrases([]string{
	"could not be delivered", "couldn't be delivered", "cannot be delivered", "can't be delivered", "can not be delivered",
	"not be delivered", "wasn't delivered", "was not delivered", "were not delivered", "has not been delivered", "not yet been delivered",
	"not been delivered", "undelivered", "undeliverable", "unable to deliver", "wasn't able to deliver", "was not able to deliver",
	"weren't able to deliver", "were unable to deliver", "not deliver your", "could not deliver", "couldn't deliver", "cannot deliver", "failed to deliver",
	"error delivering", "delivery failed", "delivery has failed", "delivery failure", "failed permanently", "delivery error",
	"had delivery errors", "had delivery problems", "delivery problems", "fatal errors", "permanent error", "permanent failure",
	"permanent fatal", "did not reach", "didn't reach", "not reach some", "could not be reached", "was rejected by", "rejected recipient",
	"been delayed", "is delayed", "delivery status notification", "attempting to deliver", "attempt to deliver", "trouble delivering",
	"problems delivering", "problem delivering", "unable to send", "could not be sent", "couldn't be sent", "message bounced",
	"returned to sender", "returned to you", "mail has been returned", "message has been returned", "returned because", "address not found", "transcript of session", "failed addresses follow", "unsent message",
	"unknown user", "user unknown", "no such user", "user mailbox exceeds", "undeliverable to", "following recipient",
	"following address", "failed recipient", "intended recipient", "mailbox unavailable", "non-delivered", "message was not sent", "may not exist", "failure reasons", "no valid recipients",
	"nicht zugestellt", "nicht ausgeliefert", "abgelehnt", "unzustellbar", "konnte nicht", "zustellung", "n'a pas pu être", "n'a pas été remis",
	"non remis", "impossible de remettre", "no se ha podido", "no se pudo", "no ha podido", "no fue posible", "não foi possível", "não pôde ser",
	"nao foi possivel", "non è stato possibile", "impossibile consegnare", "niet worden bezorgd", "niet bezorgd", "niet afgeleverd",
	"kunde inte levereras", "kunne ikke leveres", "nie została dostarczona", "nie mogła zostać", "не может быть доставлен", "не удалось доставить",
	"не было доставлен", "не доставлен", "送信できません", "配信できません", "お届けでき", "配送できません", "失敗しました", "あて先不明", "エラー", "无法投递", "无法送达",
	"未能送达", "退信", "전송하지 못", "iletilemedi", "nepodařilo", "nem sikerült", "could not process your",
	"échec de la remise", "échec permanent", "pas parvenu", "impossible de joindre", "no ha llegado", "no se puede contactar", "error permanente",
	"recapito non riuscito", "non è stato recapitato", "non è stato consegnato", "recapito al seguente", "impossibile raggiungere",
	"falha na entrega", "falha permanente", "não chegou", "is mislukt", "niet bereikt", "afgeleverd worden", "nie powiodło się", "nie dotarła", "trwały błąd",
	"не удалось выполнить доставку", "не доставлено", "не вдалося доставити", "gick inte att leverera", "nådde inte", "ikke levere", "mislykkedes", "nåede ikke",
	"epäonnistui", "nezdařilo", "a eșuat", "nu a putut fi", "απέτυχε", "δεν ήταν δυνατ", "teslim edilemedi", "başarısız", "המסירה", "فشل التسليم",
	"无法将邮件", "没有到达", "永久失败", "被退回", "無法傳遞", "傳遞至下列", "届きませんでした", "完全に失敗", "배달하지 못", "전달하지 못", "không gửi được", "không thể gửi",
})

// delays say that the reporting MTA will try again.
var delays = newPhrases([]string{
	"has not yet been delivered", "not yet been delivered", "has been delayed", "is delayed", "been delayed", "will be retried",
	"will keep trying", "still trying", "continue to try", "delivery attempts will continue", "warning message only",
	"temporary failure report", "do not need to resend", "do not need to re-send", "not need to resend", "will continue to be attempted",
	"delivery to the following recipients has been delayed", "verzögert", "a été retard", "se ha retrasado", "задержан",
})

// returns introduce a returned message or its header in the text of a report.
var returns = newPhrases([]string{
	"original message", "copy of the message", "copy of your message", "copy of the original", "message header", "original mail",
	"header of the", "headers of the", "headers of your", "headers follow", "original headers", "unsent message", "returned message", "undelivered message",
	"message follows", "message text follows", "message is attached", "your message follows", "text of your message", "your original",
	"received message", "message body", "following header fields", "top 20 lines", "the first lines", "returned text", "bounced message",
	"original nachricht", "originalnachricht", "ursprüngliche", "kopie der nachricht", "message d'origine", "copie du message", "en-têtes",
	"mensaje original", "copia del mensaje", "mensagem original", "cópia da mensagem", "messaggio originale", "copia del messaggio",
	"oorspronkelijke bericht", "ursprungligt", "oryginalna", "исходное", "оригинал", "копия", "元のメ", "送信メール", "原文", "原始邮件",
})

// recipientWords are in front of a failed address on its line.
var recipientWords = newPhrases([]string{
	"recipient", "rcpt to", "rcptto", "delivering your mail to", "deliver message to", "deliver your message to", "delivered to", "deliver to", "delivery to",
	"unknown user", "user unknown", "no such user", "mailbox", "exceeds allowed size", "undeliverable to", "addressed to", "address:", "failed address",
	"unable to deliver", "reach the following", "message to", "mail to", "could not be delivered to", "sent to", "email to", "e-mail to",
	"to address", "the address", "address to which", "was addressed", "to the user", "to user", "generated by", "generated from ", "expanded from", "nicht an", "empfänger", "destinat", "adresse",
	"получател", "адрес", "宛", "アドレス",
})

// recipientPrefixes are right in front of a failed address; elsewhere they mean nothing.
var recipientPrefixes = []string{"user ", "user <", "to: ", "to:<", "to: <", "for <"}

// aliasWords are in front of the address that was expanded to the failed one. The sender knows this address.
var aliasWords = newPhrases([]string{"generated from ", "expanded from"})

// strangers are in front of an address that is not the recipient's.
var strangers = newPhrases([]string{
	"contact", "from:", "from ", "sender", "support", "assistance", "e-mail us", "help", "mail from", "reply-to", "abuse@", "postmaster",
	"kontakt", "administrator", "please write", "question", "message-id", "unsubscribe",
})

// replySubjects are parts of the subjects of automatic replies. Those that end in "*" must be at the beginning.
var replySubjects = []string{
	"out of office", "out of the office", "out-of-office", "autoreply", "auto-reply", "auto reply", "automatic reply", "automatic response",
	"automated reply", "automated response", "auto response", "auto-response", "autoresponse", "autoresponder", "auto:*", "ooo:*", "[auto]",
	"vacation reply", "on vacation", "away from my mail", "away from the office", "abwesenheit", "automatische antwort", "abwesend",
	"réponse automatique", "reponse automatique", "absence du bureau", "absent du bureau", "respuesta automática", "respuesta automatica",
	"fuera de la oficina", "resposta automática", "resposta automatica", "ausência temporária", "fora do escritório", "risposta automatica",
	"fuori sede", "fuori ufficio", "automatisch antwoord", "automatisch bericht", "afwezig", "autosvar", "automatiskt svar", "frånvaro",
	"automatisk svar", "fravær", "automaattinen vastaus", "poissa", "autoodpowiedź", "automatyczna odpowiedź", "nieobecn", "автоответ",
	"автоматический ответ", "автоматическая", "自動応答", "自動返信", "不在", "自动回复", "自动答复", "自動回覆", "自動答覆", "자동 회신", "부재중", "otomatik yanıt",
	"automatická odpověď", "automatikus válasz", "odpowiedź automatyczna", "automatická odpoveď", "автоматична відповідь", "автоматичен отговор",
	"аўтаматычны адказ", "răspuns automat", "αυτόματη απάντηση", "αυτόματη αποστολή", "automaatvastus", "automatinis atsakymas", "automātiska atbilde", "automatiska atbilde",
	"automatski odgovor", "automatiski odgovor", "samodejni odgovor", "аутоматски одговор", "resposta automàtica", "erantzun automatikoa",
	"sjálfvirkt svar", "תשובה אוטומטית", "מענה אוטומטי", "رد تلقائي", "پاسخ خودکار", "स्वचालित उत्तर", "trả lời tự động", "ตอบกลับอัตโนมัติ",
	"balasan otomatis", "jawapan automatik", "自動返答", "自動回信", "자동 응답", "absent(e) du bureau", "niet aanwezig", "außer haus",
	"mimo kancelář", "irodán kívül", "ofis dışında", "kontorist väljas", "外出:*", "外出：*", "외출:*",
}

// absences are what an automatic reply says. One of them is needed if the subject alone is not clear.
var absences = newPhrases([]string{
	"out of the office", "out of office", "on vacation", "away from my", "i am away", "i'm away", "i will be away", "on leave",
	"on holiday", "annual leave", "maternity leave", "limited access to", "thank you for your email", "we have received your",
	"automated response", "automatic reply", "automatische antwort", "nicht im büro", "abwesend", "im urlaub", "absent", "en vacances",
	"fuera de la oficina", "vacaciones", "fuori ufficio", "in ferie", "afwezig",
})

// reporters are in front of the name of the host that writes the report.
var reporters = []string{
	"qmail-send program at ", "mail system at host ", "postfix program at host ", "generating server: ", "mail server at ",
	"queue on ", "delivery subsystem of ", "status notification from ",
	"serveur de génération : ", "serveur de génération : ", "generierender server: ", "servidor de generación: ", "message from ",
}

// responders are header fields of automatic replies. Without words, any value counts except "no" and "false".
var responders = []struct{ field, words string }{
	{"x-autoreply", ""}, {"x-autorespond", ""}, {"x-autoresponder", ""}, {"x-autoreply-from", ""}, {"x-auto-reply", ""},
	{"x-autogenerated", ""}, {"x-mail-autoreply", ""}, {"x-vacation", ""}, {"x-ms-exchange-inbox-rules-loop", ""},
	{"x-autoreply-domain", ""}, {"x-amazon-auto-reply", ""},
	{"x-precedence", "auto_reply"}, {"preference", "auto_reply"}, // cPanel
	{"x-fc-machinegenerated", "true"},        // FirstClass
	{"x-post-messageclass", "autoresponder"}, // Mailtraq
	{"delivered-to", "autoresponder"},        // qmail-autoresponder
}

// postmasterSubjects are parts of the subjects of reports that mail systems send to their own postmaster.
var postmasterSubjects = newPhrases([]string{"smtp server: errors from", "smtp client: errors from"})

// digests are words of reports that list the mail in a user's quarantine.
var digests = newPhrases([]string{
	"quarantin", "quarantän", "quarentena", "cuarentena", "quarantena", "kwarant", "карантин", "隔離", "隔离", "격리",
	"pending messages", "incoming messages", "messages on hold",
})

// complaintSubject begins the subjects of Outlook.com's complaints.
const complaintSubject = "complaint about message from "

// executables are the ends of the names of attachments that viruses have and bounces do not.
var executables = []string{".exe", ".scr", ".pif", ".com", ".bat", ".cmd", ".vbs", ".js", ".zip", ".lnk", ".iso", ".htm", ".html"}
