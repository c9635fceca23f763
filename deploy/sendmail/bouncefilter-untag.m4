dnl Removes the tag from a recipient of ours, so that Sendmail knows it exactly when it knows the address without the tag:
dnl
dnl   prvs=KDDDSSSSSS=user@example.com   ->  user@example.com
dnl
dnl Addresses in the sub-address form, user+prvs=KDDDSSSSSS@example.com, need no rule.
dnl
dnl Include this file at the end of sendmail.mc. The rules come to the end of the rule set Parse0, which begins rule set 0 and all
dnl checks of recipients: they run before the access table, virtusertable, mailertable, aliases and the check for unknown users, also
dnl for bounces that Sendmail makes itself. The milter is still told the recipient with its tag.
dnl
dnl EDIT the line that begins with C: all domains that you sign for, separated by spaces. Tags of other domains must stay
dnl where they are: their owners check them.
LOCAL_CONFIG
C{BouncefilterDomain} example.com
dnl All domains below one ("*.example.edu" in bouncefilter.toml) are in another class. To use it, take the "dnl" off:
dnl C{BouncefilterBelow} example.edu
dnl
dnl The rest needs no change. "=" does not part words in the rules of Sendmail, hence the map. It compares without regard to
dnl case, which is needed: relays fold the case of tags.
Kbouncefilter_untag regex -q -s2 ^(prvs=[0-9]{4}[0-9a-f]{6}=)+(.+)$
LOCAL_RULESETS
SParse0
dnl The two halves of a rule are separated by tabs. Spaces will not do.
R$+ < @ $={BouncefilterDomain} . >		$: $( bouncefilter_untag $1 $) < @ $2 . >
R$+ < @ $={BouncefilterDomain} >		$: $( bouncefilter_untag $1 $) < @ $2 >
R$+ < @ $+ . $={BouncefilterBelow} . >		$: $( bouncefilter_untag $1 $) < @ $2 . $3 . >
R$+ < @ $+ . $={BouncefilterBelow} >		$: $( bouncefilter_untag $1 $) < @ $2 . $3 >
