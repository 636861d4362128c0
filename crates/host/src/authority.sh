# shellcheck shell=dash disable=SC2034,SC2154
# How a site's own certificate authority makes certificates: on the host that keeps its key. Sent after changes.sh.

# Makes the authority, once. Its key never leaves the host.
authority() { # folder name
  if [ -e "$1/authority.crt" ]; then return; fi
  run mkdir -p -- "$1"
  beside "$1/authority.crt"
  run openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-384 -nodes -days 3650 -subj "/CN=$2" \
    -addext keyUsage=critical,keyCertSign -keyout "$1/authority.key" -out "$temporary"
  settle "$1/authority.crt" 0644 root root
  ashore "$1/authority.key" "$1/authority.crt" "$1"
}

# Makes a key and a certificate for a host, into `key` and `certificate`; and the authority's into `ca`. For a year: who renews it
# looks every night.
issue() { # folder name address
  # Memory, not a disk.
  work=/run/incline.issue.$$
  run mkdir -- "$work"
  printf 'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\nsubjectAltName=DNS:%s,IP:%s\n' "$2" "$3" >"$work/extensions"
  out=$({
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-384 -nodes -subj "/CN=$2" -keyout "$work/key" -out "$work/request" &&
      openssl x509 -req -in "$work/request" -CA "$1/authority.crt" -CAkey "$1/authority.key" -days 365 \
        -set_serial "0x$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')" -extfile "$work/extensions" -out "$work/certificate"
  } 2>&1 3<&- 9>&-) || {
    rm -rf -- "$work"
    fail "no certificate can be made for $2$NL$out"
  }
  key=$(cat "$work/key")
  certificate=$(cat "$work/certificate")
  ca=$(cat "$1/authority.crt")
  rm -rf -- "$work"
}

# Writes what was issued. The certificate falls last: with it, all is there.
keep() { # folder
  for part in ca key certificate; do
    case $part in
    ca) text=$ca name=ca.crt mode=0644 ;;
    key) text=$key name=host.key mode=0600 ;;
    certificate) text=$certificate name=host.crt mode=0644 ;;
    esac
    beside "$1/$name"
    printf '%s\n' "$text" >"$temporary"
    ready=
    settle "$1/$name" "$mode" root root
  done
  text=
  key=
  ashore "$1"
}
