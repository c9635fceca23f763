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
	"nicht zugestellt", "nicht ausgeliefert", "abgelehnt", "unzustellbar", "konnte nicht", "zustellung", "n'a pas pu être", "n'a pas pu etre", "n'a pas été remis", "n'a pas ete remis", "n'a pas été distribué", "n'a pas ete distribue",
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
	"mimo kancelář", "irodán kívül", "ofis dışında", "kontorist väljas", "外出:*", "외출:*",
}

// absences are what an automatic reply says. One of them is needed if the subject alone is not clear.
var absences = newPhrases([]string{
	"out of the office", "out of office", "on vacation", "away from my", "i am away", "i'm away", "i will be away", "on leave",
	"on holiday", "annual leave", "maternity leave", "limited access to", "thank you for your email", "we have received your",
	"automated response", "automatic reply", "automatische antwort", "nicht im büro", "abwesend", "im urlaub", "absent", "en vacances",
	"fuera de la oficina", "vacaciones", "fuori ufficio", "in ferie", "afwezig",
})

// reporters are in front of the name of the host that writes the report.
var reporters = newPhrases([]string{
	"qmail-send program at ", "mail system at host ", "postfix program at host ", "generating server: ", "mail server at ",
	"queue on ", "delivery subsystem of ", "status notification from ",
	"serveur de génération : ", "serveur de génération : ", "generierender server: ", "servidor de generación: ", "message from ",
})

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

// messages are words in the labels of Message-IDs.
var messages = newPhrases([]string{
	"messag", "msg", "nachricht", "mensaje", "mensagem", "missatge", "bericht", "meddel", "melding", "besked", "viesti", "wiadomo", "zpráv", "správ", "üzenet", "mesaj",
	"сообщ", "повідом", "писем", "письм", "µήνυμα", "μηνύματος", "ileti", "メッセージ", "邮件", "郵件", "消息", "訊息", "메시지", "pesan", "thư",
})

// accounts are words in the labels of identifiers of something else.
var accounts = newPhrases([]string{"user", "account", "login", "e-mail id", "email id", "mail id", "apple", "skype", "customer", "recipient", "sender", "kunden", "konto", "client"})

// complaintSubject begins the subjects of Outlook.com's complaints.
const complaintSubject = "complaint about message from "

// executables are the ends of the names of attachments that viruses have and bounces do not.
var executables = []string{".exe", ".scr", ".pif", ".com", ".bat", ".cmd", ".vbs", ".js", ".zip", ".lnk", ".iso", ".htm", ".html"}

// answerPrefixes begin the subjects of answers and of forwarded messages.
var answerPrefixes = []string{
	"re:", "re :", "re[", "fw:", "fwd:", "aw:", "wg:", "tr:", "tr :", "rv:", "sv:", "antw:", "rif:", "r:", "enc:", "res:", "odp:", "vs:", "vl:", "[fwd:", "ynt:", "vá:",
	"回复:", "回覆:", "答复:", "返信:", "转发:", "轉寄:", "転送:",
}

// forwardPrefixes are those of answerPrefixes that begin the subjects of forwarded messages, and of nothing else.
var forwardPrefixes = []string{"fw:", "fwd:", "wg:", "tr:", "tr :", "rv:", "enc:", "vl:", "[fwd:", "转发:", "轉寄:", "転送:"}

// undelivered are the words of subjects that say by themselves that a message was not delivered, even from an ordinary sender.
var undelivered = newPhrases([]string{
	"undeliver", "non-deliver", "nondeliver", "non deliver", "not delivered", "could not be delivered", "couldn't be delivered", "cannot be delivered",
	"unable to deliver", "returned mail", "mail returned", "message returned", "delivery fail", "delivery has failed", "failed delivery", "failure notice",
	"mail failure", "unzustellbar", "nicht zustellbar", "nicht zugestellt", "zustellung fehlgeschlagen", "non remis", "non distribu", "échec de la remise",
	"échec de remise", "no entregado", "no se pudo entregar", "no se puede entregar", "mensaje devuelto", "non recapitabile", "non consegnat", "mancata consegna",
	"consegna fallita", "não entregue", "nao entregue", "falha na entrega", "devolvida", "onbestelbaar", "niet bestelbaar", "niet afgeleverd", "niet bezorgd",
	"kunde inte levereras", "ej levererat", "kunne ikke leveres", "ikke leveret", "ikke levert", "niedostarcz", "nie dostarcz", "nie została dostarczona",
	"не доставлен", "недоставл", "не удалось доставить", "ошибка доставки", "не доставлено", "не вдалося доставити", "配信できません", "送信できません", "エラーメール",
	"リターンメール", "届きません", "配信不能", "退信", "未送达", "无法投递", "无法送达", "投递失败", "無法傳遞", "無法投遞", "退件", "전송 실패", "배달 불가", "반송",
	"teslim edilemedi", "iletilemedi", "nedoručiteln", "nedoručen", "kézbesíthetetlen", "sikertelen kézbesítés", "toimittamat", "nelivrabil", "μη παραδόσιμο",
	"nepristat", "không gửi được", "gagal dikirim", "tidak terkirim",
})

// notices are words of mail about something else than a message that was sent.
var notices = newPhrases([]string{
	"parcel", "package", "gift", "shipment", "courier will", "tracking number", "your order", "order number", "invoice", "payment", "newsletter", "campaign",
	"paket", "sendung", "bestellung", "rechnung", "colis", "commande", "facture", "paquete", "pedido", "factura", "pacco", "ordine", "fattura", "encomenda",
	"pakket", "bestelling", "paczk", "zamówieni", "zásilk", "посылк", "заказ", "お荷物", "ご注文", "包裹", "订单", "訂單", "택배", "주문",
	"your mailbox is", "your mailbox has", "quota warning", "your quota", "ihr postfach ist", "mail queue", "backup", "monitor", "health check", "voicemail", "voice message",
	"fax", "logwatch", "log summar", "grand totals",
})

// exchangeAgents are the parts of Exchange whose notices go to the sender of a message.
var exchangeAgents = newPhrases([]string{"transport rule", "malware", "antispam", "anti-spam", "filter agent", "policy"})

// listFields are header fields of list mail.
var listFields = []string{
	"list-id", "list-post", "list-unsubscribe", "list-help", "list-subscribe", "list-archive", "mailing-list", "x-mailing-list", "x-beenthere", "x-mailman-version",
	"x-ml-name", "x-mlserver",
}

// programs are in the X-Mailer fields of programs that write by themselves.
var programs = newPhrases([]string{"auto", "vacation", "respon", "reply", "php", "perl", "mail::", "notif", "agent", "server", "gateway", "javamail", "script", "smtp"})

// away is what a responder says in its owner's name.
var away = newPhrases([]string{
	"i am out of", "i'm out of", "i am currently out", "i'm currently out", "i am away", "i'm away", "i am currently away", "i'm currently away", "i will be away",
	"i'll be away", "i will be out of", "i'll be out of", "i am on vacation", "i'm on vacation", "i am on holiday", "i'm on holiday", "i am on leave", "i'm on leave",
	"i am on annual leave", "i'm on annual leave", "i will be on annual leave", "i'll be on annual leave", "currently on annual leave", "on maternity leave", "on parental leave", "on sick leave", "not in the office", "is out of the office", "is currently out of", "away from my mail",
	"away from my e-mail", "away from my email", "away from the office", "away from my desk", "out of the office until", "out of office until", "limited access to",
	"no longer with the company", "no longer work for",
	"no longer works", "automated reply", "automatic reply", "automated response", "automatic response", "auto-reply", "autoreply", "auto reply",
	"ich bin nicht im", "ich bin derzeit nicht", "ich bin zur zeit nicht", "ich bin zurzeit nicht", "ich bin momentan nicht", "ich bin bis", "ich bin vom",
	"nicht im büro", "nicht im haus", "nicht erreichbar", "im urlaub", "außer haus", "nicht am arbeitsplatz", "ich bin abwesend", "bin abwesend", "wieder im büro",
	"wieder erreichbar", "nicht weitergeleitet", "automatische antwort", "automatisch beantwortet",
	"je suis absent", "actuellement absent", "je suis en congé", "actuellement en congé", "en congés", "je suis en vacances", "je serai absent", "absent du bureau",
	"absente du bureau", "de retour le", "réponse automatique",
	"fuera de la oficina", "estoy de vacaciones", "encuentro de vacaciones", "estaré ausente", "encuentro ausente", "respuesta automática",
	"sono fuori ufficio", "fuori ufficio", "sono in ferie", "sarò assente", "sono assente", "in ferie fino", "risposta automatica", "fuori sede",
	"fora do escritório", "estou de férias", "estarei ausente", "estou ausente", "encontro-me ausente", "resposta automática",
	"ik ben afwezig", "ben ik afwezig", "niet op kantoor", "op vakantie", "met vakantie", "niet aanwezig", "automatisch antwoord",
	"jestem na urlopie", "przebywam na urlopie", "jestem nieobecn", "nie ma mnie w biurze", "poza biurem", "odpowiedź automatyczna", "automatyczna odpowiedź",
	"na dovolené", "nejsem v kanceláři", "mimo kancelář", "na dovolenke", "nie som v kancelárii", "automatická odpověď",
	"inte på kontoret", "på semester", "jag är ledig", "bortrest", "åter på kontoret", "ikke på kontoret", "på ferie", "ikke til stede", "autosvar", "automatiskt svar", "automatisk svar",
	"olen lomalla", "en ole paikalla", "olen poissa", "automaattinen vastaus", "szabadságon vagyok", "nem vagyok az irodá", "házon kívül", "automatikus válasz",
	"sunt în concediu", "sunt plecat", "răspuns automat", "в отпуске", "меня нет в офисе", "буду отсутствовать", "временно отсутств", "автоматический ответ",
	"у відпустці", "мене немає", "автоматична відповідь", "εκτός γραφείου", "σε άδεια", "αυτόματη απάντηση", "izindeyim", "izinde olaca", "ofis dışında", "tatildeyim",
	"休暇をいただ", "休暇中", "休暇を取", "不在にして", "不在のため", "不在とな", "外出して", "出張のため", "出張中", "自動返信", "自動応答",
	"正在休假", "在休假", "休假中", "不在办公室", "不在辦公室", "正在出差", "目前不在", "自动回复", "自動回覆", "부재중", "휴가 중", "휴가중", "자동 회신", "자동회신",
	"خارج المكتب", "في إجازة", "מחוץ למשרד", "בחופשה", "sedang cuti", "di luar kantor", "nghỉ phép", "vắng mặt", "ลาพักร้อน",
})

// acknowledgements are parts of the subjects with which responders acknowledge a message.
var acknowledgements = newPhrases([]string{
	"thank you for your e-mail", "thank you for your email", "thank you for your mail", "thank you for your message", "thanks for your e-mail", "thanks for your email",
	"thanks for your mail", "thanks for your message", "we received your e-mail", "we received your email", "we received your message", "we have received your e-mail",
	"we have received your email", "we have received your message", "your e-mail has been received", "your email has been received", "your message has been received",
	"your email was received", "your message was received", "i got your message", "i received your message", "i have received your",
	"danke für ihre e-mail", "danke für ihre mail", "danke für ihre nachricht", "danke für deine e-mail", "danke für deine mail", "danke für deine nachricht",
	"vielen dank für ihre e-mail", "vielen dank für ihre nachricht", "ihre e-mail ist eingegangen", "ihre nachricht ist eingegangen", "merci pour votre message",
	"merci pour votre e-mail", "merci pour votre mail", "merci de votre message", "votre message a bien été reçu", "gracias por su mensaje", "gracias por su correo",
	"gracias por tu mensaje", "gracias por tu correo", "grazie per la tua e-mail", "grazie per il messaggio", "grazie per la sua", "obrigado pela sua mensagem", "obrigado pelo seu",
	"bedankt voor uw e-mail", "bedankt voor uw bericht", "bedankt voor je", "tack för ditt", "tak for din", "takk for din", "kiitos viestist", "dziękuję za wiadomość",
	"dziękujemy za wiadomość", "děkujeme za zprávu", "děkuji za zprávu", "спасибо за ваше письмо", "спасибо за письмо", "メールありがとう", "メールを受信", "您的邮件已收到", "已收到您的邮件", "메일을 잘 받았",
})

// promises are what a responder says after it has acknowledged a message.
var promises = newPhrases([]string{
	"i will reply", "i'll reply", "i will answer", "i'll answer", "i will respond", "i'll respond", "i will read", "i'll read", "i read my mail", "i read my e-mail", "i read my email",
	"i will get back", "i'll get back", "we will reply", "we'll reply", "we will answer", "we will respond", "we will get back", "we'll get back", "as soon as possible",
	"schnellstmöglich", "so bald wie möglich", "so schnell wie möglich", "sobald wie möglich", "ich werde", "wir werden", "ich lese", "dès que possible", "dans les meilleurs délais",
	"je vous répondrai", "lo antes posible", "le responder", "il prima possibile", "risponder", "assim que possível", "o mais breve possível", "zo snel mogelijk", "zo spoedig mogelijk",
	"så snart som möjligt", "så snart som muligt", "så snart som mulig", "mahdollisimman pian", "odpowiem", "odpowiemy", "odpovím", "odpovíme", "ответим", "отвечу", "返信いたします", "ご返信", "尽快回复", "儘快回覆",
})

// pages are words of a mail that acknowledges what was written on a web page.
var pages = newPhrases([]string{
	"contact form", "web form", "webform", "online form", "website", "web site", "our site", "kontaktformular", "webformular", "formulaire", "site web", "formulario", "sitio web",
	"modulo di contatto", "formulário", "contactformulier", "formularz", "formulář", "フォーム", "表单", "表單",
})

// copies introduce what the reader has written, also on a web page.
var copies = newPhrases([]string{"copy of your message", "you wrote:", "sie schrieben:"})

// challengeSubjects are parts of the subjects of challenges.
var challengeSubjects = newPhrases([]string{
	"verify#", "(conf#", "conf#", "please confirm your message", "please confirm your e-mail to", "please confirm your email to", "your message requires verification",
	"your message needs verification", "your message is waiting for", "your message is being held", "your mail is being held", "your email is being held", "your e-mail is being held",
	"sender verification required", "verification of your message", "confirm message delivery", "bitte bestätigen sie ihre nachricht", "antispam uol",
})

// challenges are what a challenge says. Each is about a message that the reader has sent, as a mail that verifies an address is not.
var challenges = newPhrases([]string{
	"message you sent requires", "e-mail you sent requires", "email you sent requires", "mail you sent requires", "requires that you verify", "your message is being held", "your message has been held",
	"your email is being held", "your e-mail is being held", "your mail is being held", "your message attached below is being held", "your email has been held",
	"message will be held until", "held until you confirm", "held until you verify", "held until you reply", "to release your message", "to release your email", "to release your e-mail",
	"release your message for delivery", "confirm that you sent", "verify that you sent", "confirm you sent", "you are a real live human",
	"not a spam source", "only from senders i have approved",
	"list of approved senders", "list of allowed senders", "approved sender list", "add you to my whitelist", "added to my whitelist", "have your message delivered", "protecting myself from receiving junk",
	"before your message can be delivered", "before your message is delivered", "before your email can be delivered", "before your e-mail can be delivered", "before i receive your message",
	"so that your message can be delivered", "so your message can be delivered", "message will be delivered once you", "message will be delivered as soon as you", "spamarrest.com", "challenge-response", "challenge/response",
	"software (tmda)", "boxtrapper", "mailinblack", "bevor ihre nachricht zugestellt", "bevor ihre e-mail zugestellt", "damit ihre nachricht zugestellt", "damit ihre e-mail zugestellt", "damit ihre e-mail mich erreicht",
	"dass sie die nachricht gesendet", "votre message est en attente", "pour que votre message soit", "afin que votre message", "su mensaje está retenido", "su mensaje ha sido retenido",
	"para que su mensaje", "il suo messaggio è in attesa", "perché il suo messaggio", "sua mensagem está retida", "para que sua mensagem", "para liberar sua mensagem",
})

// receiptSubjects begin the subjects of receipts.
var receiptSubjects = []string{
	"read: ", "read receipt", "not read: ", "return receipt", "receipt: ", "recall success", "recall failure", "message recall report", "displayed: ", "gelesen: ", "ungelesen: ",
	"lesebestätigung", "lu : ", "lu: ", "non lu : ", "non lu: ", "accusé de lecture", "confirmation de lecture", "leído: ", "leido: ", "no leído: ", "confirmación de lectura",
	"letto: ", "non letto: ", "conferma di lettura", "ricevuta di lettura", "ricevuta di ritorno", "lida: ", "lido: ", "não lida: ", "recibo de leitura", "confirmação de leitura", "gelezen: ", "ongelezen: ",
	"leesbevestiging", "läst: ", "läskvitto", "lest: ", "læst: ", "luettu: ", "przeczytano: ", "potwierdzenie przeczytania", "potwierdzenie odczytu", "přečteno: ", "přečtené: ", "potvrzení o přečtení",
	"elolvasva: ", "olvasási visszaigazolás", "прочитано: ", "прочтено: ", "уведомление о прочтении", "開封済み: ", "開封済み:", "開封確認", "開封通知", "已读: ", "已读:", "已讀: ", "已讀:", "읽음: ", "okundu: ", "citit: ",
}

// receipts are what a receipt says about a message.
var receipts = newPhrases([]string{
	"your message", "your document", "your mail", "your e-mail", "your email", "was read", "was displayed", "was recalled", "ihre nachricht", "deine nachricht", "ihr dokument", "wurde gelesen", "wurde angezeigt",
	"votre message", "a été lu", "su mensaje", "el mensaje", "fue leído", "il messaggio", "il tuo messaggio", "è stato letto", "sua mensagem", "foi lida", "uw bericht", "is gelezen", "ditt meddelande", "meldingen din",
	"din besked", "din meddelelse", "viestisi", "wiadomość", "zpráv", "üzenet", "сообщение", "повідомлення", "メッセージ", "開封", "邮件", "郵件", "메시지", "iletiniz", "mesajul",
})
