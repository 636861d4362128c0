# shellcheck shell=dash disable=SC2086,SC2034,SC2154
# What changes encrypted volumes: sent after changes.sh, where a volume changes.

# A volume's key slots and tokens as cryptsetup prints them: `slot N`, and `token N TYPE SLOT`.
luks_parts() { # device
  cryptsetup luksDump -- "$1" | awk '
    /^[A-Z]/ { part = $1 }
    part == "Keyslots:" && /^  [0-9]+: / { sub(":", "", $1); print "slot", $1 }
    part == "Tokens:" && /^  [0-9]+: / { sub(":", "", $1); token = $1; type = $2 }
    part == "Tokens:" && $1 == "Keyslot:" { print "token", token, type, $2 }'
}

# The slots that a kind of token keeps.
luks_slots() { # device type
  luks_parts "$1" | sed -n "s/^token [0-9]* $2 //p"
}

# The key that clevis gets back, into `key`. No key is ever a word of a command: what a process is given as words, everyone on the
# host can read.
luks_key() { # device
  for slot in $(luks_slots "$1" clevis); do
    key=$(timeout 60 clevis luks pass -d "$1" -s "$slot" 3<&- 9>&-) && return
  done
  fail "no key of $1 can be had: no tang server answers as it did when the volume was made, or the TPM has changed"
}

# A new key, into `key`, and the same encrypted to who may recover it, into `escrow`. In hexadecimal, for a person may have to type it.
luks_new_key() { # recipient
  key=$(dd if=/dev/urandom bs=32 count=1 iflag=fullblock | od -An -v -tx1 | tr -d ' \n')
  escrow=$(printf %s "$key" | age --encrypt --recipient "$1" | base64 | tr -d '\n')
  if [ "${#key}" -ne 64 ] || [ -z "$escrow" ]; then fail "no recovery key can be escrowed: age cannot encrypt to $1"; fi
}

# The escrowed key travels in the volume's own header, wherever the disk goes.
luks_token() { # device slot recipient
  out=$(printf '{"type":"incline-recovery","keyslots":["%s"],"recipient":"%s","age":"%s"}' "$2" "$3" "$escrow" |
    cryptsetup token import --json-file - -- "$1" 2>&1) || fail "the recovery key cannot be escrowed$NL$out"
}

# Binds a volume to what gives `key` back.
luks_clevis() { # device policy
  out=$(printf %s "$key" | timeout 120 clevis luks bind -y -d "$1" -k - sss "$2" 2>&1 9>&-) || fail "clevis cannot bind $1$NL$out"
}

# Slots with a key of 256 random bits need no slow derivation.
fast='--pbkdf pbkdf2 --pbkdf-force-iterations 1000'

# Makes a volume. It bears its name only when it is whole: what bears the other label was never opened, and is made anew.
luks_make() { # device uuid new name policy recipient
  # Looked at once more by the tool that is about to write.
  found=$(blkid -p -s TYPE -s UUID -s LABEL -s PTTYPE -o export -- "$1")
  if [ $? -ne 2 ]; then
    for line in TYPE=crypto_LUKS "UUID=$2" "LABEL=$3"; do
      case "$NL$found$NL" in *"$NL$line$NL"*) ;; *) fail "$1 is not empty any more" ;; esac
    done
  fi
  # Whether all that must give the key back is there, before anything is written.
  out=$(printf x | timeout 120 clevis encrypt sss "$5" 2>&1 >/dev/null 9>&-) || fail "what must open it cannot be had$NL$out"
  luks_new_key "$6"
  out=$(printf %s "$key" | cryptsetup luksFormat --type luks2 --batch-mode --uuid "$2" --label "$3" $fast --key-file - -- "$1" 2>&1 9>&-) || fail "$1 cannot be formatted$NL$out"
  luks_token "$1" 0 "$6"
  luks_clevis "$1" "$5"
  key=
  luks_key "$1"
  key=
  run cryptsetup config --label "$4" -- "$1"
}

# Binds a volume anew, and then to nothing else.
luks_bind() { # device policy
  old=$(luks_slots "$1" clevis)
  luks_key "$1"
  luks_clevis "$1" "$2"
  key=
  for slot in $old; do run clevis luks unbind -d "$1" -s "$slot" -f; done
}

# Makes a new recovery key; the old one goes.
luks_escrow() { # device recipient
  old=$(luks_slots "$1" incline-recovery)
  stale=$(luks_parts "$1" | sed -n 's/^token \([0-9]*\) incline-recovery.*/\1/p')
  luks_key "$1"
  existing=$key
  luks_new_key "$2"
  before=" $(luks_parts "$1" | sed -n 's/^slot //p' | tr '\n' ' ')"
  # Memory, not a disk.
  fresh=/run/incline.key.$$
  printf %s "$key" >"$fresh"
  key=
  out=$(printf %s "$existing" | cryptsetup luksAddKey --batch-mode $fast --key-file - -- "$1" "$fresh" 2>&1 9>&-)
  status=$?
  existing=
  rm -f "$fresh"
  if [ "$status" -ne 0 ]; then fail "no key can be added to $1$NL$out"; fi
  for slot in $(luks_parts "$1" | sed -n 's/^slot //p'); do
    case "$before" in *" $slot "*) ;; *) luks_token "$1" "$slot" "$2" ;; esac
  done
  for token in $stale; do run cryptsetup token remove --token-id "$token" -- "$1"; done
  for slot in $old; do run cryptsetup luksKillSlot --batch-mode -- "$1" "$slot"; done
}

# Ends the key slots that belong to no token of ours.
luks_tidy() { # device
  kept=" $({ luks_slots "$1" clevis; luks_slots "$1" incline-recovery; } | tr '\n' ' ')"
  # Without one that is known to open it, nothing goes.
  luks_key "$1"
  key=
  for slot in $(luks_parts "$1" | sed -n 's/^slot //p'); do
    case "$kept" in *" $slot "*) ;; *) run cryptsetup luksKillSlot --batch-mode -- "$1" "$slot" ;; esac
  done
}
