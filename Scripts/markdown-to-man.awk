#!/usr/bin/awk -f
# SPDX-License-Identifier: Apache-2.0
#
# markdown-to-man.awk - a page of documentation as a man page: headings, paragraphs, lists, tables, code. What man cannot
# show (pictures, where a link leads to inside this project) is left out.
#
#   awk -v name=N -v section=S -v summary=TEXT -v version=V -f markdown-to-man.awk FILE

function escaped(text) {
  gsub(/\\/, "\\e", text); gsub(/-/, "\\-", text); gsub(/'/, "\\(aq", text); gsub(/"/, "\\(dq", text)
  gsub(/\^/, "\\(ha", text); gsub(/~/, "\\(ti", text)
  return text
}
function plain(text) { gsub(/[`*]/, "", text); return text }
# Code and bold text bold, links as their text; an address of the web stays.
function inline(text,   before, code, rest, label, target, at) {
  rest = ""
  while (match(text, /`[^`]+`|\*\*[^*]+\*\*|!?\[[^]]*\]\([^)]*\)/)) {
    before = substr(text, 1, RSTART - 1); code = substr(text, RSTART, RLENGTH); text = substr(text, RSTART + RLENGTH)
    rest = rest escaped(before)
    if (code ~ /^`/) rest = rest "\\fB" escaped(substr(code, 2, length(code) - 2)) "\\fR"
    else if (code ~ /^\*\*/) rest = rest "\\fB" escaped(plain(substr(code, 3, length(code) - 4))) "\\fR"
    else if (code !~ /^!/) {
      at = index(code, "](")
      label = substr(code, 2, at - 2); target = substr(code, at + 2, length(code) - at - 2)
      rest = rest escaped(plain(label)) (target ~ /^https?:/ ? " <" escaped(target) ">" : "")
    }
  }
  return rest escaped(text)
}
# A heading of the first or second order; what has a NAME of its own is not named twice.
function heading(title) {
  end_all()
  said = 1
  skips = toupper(title) == "NAME"
  if (!skips) print ".SH " inline(toupper(title))
  after = 1
}
function paragraph() { if (!after) print ".PP"; after = 0 }
function put(line) { print (line ~ /^[.']/ ? "\\&" : "") line }
function end_table(   row, column, cells, count) {
  if (!rows) return
  paragraph(); print ".na\n.TS\nallbox;"
  count = columns
  for (column = 1; column <= count; column++) printf "%s%s", "lxb", column < count ? " " : "\n"
  for (column = 1; column <= count; column++) printf "%s%s", "lx", column < count ? " " : ".\n"
  for (row = 1; row <= rows; row++)
    for (column = 1; column <= count; column++) {
      # In a text block lines are filled.
      if (cell[row, column] == "") printf "%s", ""
      else printf "T{\n%s\nT}", (cell[row, column] ~ /^[.']/ ? "\\&" : "") cell[row, column]
      printf "%s", column < count ? "\t" : "\n"
    }
  print ".TE\n.ad"
  rows = 0
}
function flush_text() {
  if (text != "") { if (item == "") paragraph(); put(inline(text)) }
  text = ""; item = ""
}
function end_all() { flush_text(); end_table(); in_list = 0 }
BEGIN {
  print "'\\\" t"
  printf ".TH %s %s \"\" \"%s\" \"lima\\-netd\"\n", escaped(toupper(name)), section, escaped(version)
  print ".SH NAME\n" escaped(name) " \\- " escaped(summary)
  after = 1
}
/^```/ {
  if (code) { print ".fi\n.RE"; code = 0; after = 0 }
  else { end_all(); paragraph(); print ".RS 4\n.nf"; code = 1 }
  next
}
code { put(escaped($0)); next }
/^<!--/ { next }
/^# / { next }
/^## / { heading(substr($0, 4)); next }
skips { next }
/^###+ / { end_all(); sub(/^#+ /, ""); print ".SS " inline($0); after = 1; next }
/^\|/ {
  flush_text()
  line = $0
  if (line ~ /^\|[ :|-]+\|?$/) next
  gsub(/\\\|/, "\002", line)
  sub(/^\| */, "", line); sub(/ *\| *$/, "", line)
  count = split(line, parts, / *\| */)
  if (!rows) columns = count
  rows++
  for (i = 1; i <= columns; i++) { part = i <= count ? parts[i] : ""; gsub(/\002/, "|", part); cell[rows, i] = inline(part) }
  next
}
/^    [^ ]/ && !in_list && text == "" {
  end_table()
  paragraph(); print ".RS 4\n.nf"; put(escaped(substr($0, 5)))
  while ((getline line) > 0) {
    if (line ~ /^    /) put(escaped(substr(line, 5)))
    else if (line == "") { print ""; continue }
    else break
  }
  print ".fi\n.RE"
  if (line ~ /^    / || line == "") next
  $0 = line
  if ($0 ~ /^## /) { heading(substr($0, 4)); next }
  if ($0 ~ /^###+ /) { end_all(); sub(/^#+ /, ""); print ".SS " inline($0); after = 1; next }
}
/^ *[-*] / { flush_text(); end_table(); sub(/^ *[-*] /, ""); print ".IP \\(bu 2"; item = "x"; in_list = 1; text = $0; next }
/^ *[0-9]+\. / { flush_text(); end_table(); number = $0; sub(/^ */, "", number); sub(/\..*/, ".", number); sub(/^ *[0-9]+\. /, ""); print ".IP " number " 4"; item = "x"; in_list = 1; text = $0; next }
# Text before the first heading.
!said && !/^$/ { if (!/^#/) print ".SH DESCRIPTION"; said = 1 }
/^[ \t]*$/ { flush_text(); end_table(); in_list = 0; next }
{ sub(/^ +/, ""); text = text == "" ? $0 : text " " $0 }
END { if (code) print ".fi\n.RE"; end_all() }
