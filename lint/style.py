#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Check the files named on standard input against the project's rules of style."""
import re
import socket
import sys

MAX_FILE = 800
MAX_FUNCTION = 100
MAX_COLUMN = 100
TAB = 8

C_FILE = re.compile(r'\.[ch]$')
# Texts that are not ours, or that have no place for the line.
NO_SPDX = re.compile(r'^(COPYING|packaging/debian/(copyright|.*\.control)|packaging/.*\.in|'
                     r'packaging/etc/.*|packaging/build-deps|\.gitignore|\.clang-format|'
                     r'.*\.(md|svg|desc|json|txt|golden|suppress)|tests/golden/.*|'
                     r'tests/fuzz/corpus/.*|bench/.*\.csv)$')
NOT_OURS = re.compile(r'^(COPYING|tests/golden/.*|tests/fuzz/corpus/.*)$')

# A version of the kernel is tested for in kmod/compat/ alone.
VERSION_TEST = re.compile(r'\b(LINUX_VERSION_CODE|KERNEL_VERSION\s*\(|RHEL_RELEASE_CODE|HAVE_[A-Z0-9_]+)')
# The probes and shims themselves, and the refusal of what is too old.
VERSION_ALLOWED = re.compile(r'^kmod/(compat/.*|Kbuild)$')

MACHINE_PATH = re.compile(r'(?<![\w.$}/-])/(work|home/\w+|Users/\w+)/')
KEYWORD = re.compile(r'\b(if|for|while|switch)\(')
POINTER = re.compile(r'\b(char|int|void|long|unsigned|bool|struct \w+)\* *\w')


def complain(path, line, text):
    complain.count += 1
    print(f'{path}:{line}: {text}')


complain.count = 0


def width(line):
    column = 0
    for char in line:
        column += TAB - column % TAB if char == '\t' else 1
    return column


def blank(text):
    """Comments and strings, replaced by spaces of the same shape."""
    def spaces(match):
        return re.sub(r'[^\n]', ' ', match.group())
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'',
                  spaces, text, flags=re.S)


def check_spdx(path, lines):
    if NO_SPDX.match(path) or not lines:
        return
    first = lines[1] if lines[0].startswith('#!') and len(lines) > 1 else lines[0]
    if 'SPDX-License-Identifier: GPL-2.0-only' not in first:
        complain(path, 1, 'the first line is not the SPDX line (GPL-2.0-only)')
    if path.endswith('.c') and not first.startswith('//'):
        complain(path, 1, 'the SPDX line of a .c file is a // comment')
    if C_FILE.search(path) and len(lines) > 1 and not lines[1].startswith('/*'):
        complain(path, 2, 'no comment after the SPDX line that says what the file owns')


def check_lines(path, lines):
    for number, line in enumerate(lines, 1):
        if re.search(r'[ \t]$', line) and not path.endswith('.md'):
            complain(path, number, 'white space at the end of the line')
        if width(line) > MAX_COLUMN and (C_FILE.search(path) or path.startswith('kmod/')):
            complain(path, number, f'longer than {MAX_COLUMN} columns')
        if MACHINE_PATH.search(line) and not path.startswith('lint/'):
            complain(path, number, 'names a path of one machine')
        if len(check_lines.host) > 5 and check_lines.host in line:
            complain(path, number, 'names a host')


# Only a name that means this machine and nothing else.
check_lines.host = socket.gethostname()
if check_lines.host in ('localhost', 'debian', 'runner', 'builder', 'buildkitsandbox'):
    check_lines.host = ''


def check_c_lines(path, lines, code):
    for number, (line, plain) in enumerate(zip(lines, code), 1):
        if re.match(r' {8}| +\t|\t+ {8}', line):
            complain(path, number, 'indented by spaces where tabs are due')
        if '//' in line and '//' not in plain and number > 1 and \
                re.search(r'(^|[\s;{})])//', re.sub(r'"(?:\\.|[^"\\])*"', '', line)):
            complain(path, number, 'a // comment; those are for the SPDX line')
        if KEYWORD.search(plain):
            complain(path, number, 'no space between keyword and parenthesis')
        if re.search(r'^\s*(\} else )?(if|for|while|switch)\b.*\)\{|\belse\{|\}else\b', plain):
            complain(path, number, 'no space beside the brace')
        if re.match(r'\s*else\b', plain) and number > 1 and code[number - 2].strip() == '}':
            complain(path, number, 'else belongs on the line of the closing brace')
        if POINTER.search(plain):
            complain(path, number, 'the * of a pointer stands at the name')
        if VERSION_TEST.search(plain) and path.startswith('kmod/') and \
                not VERSION_ALLOWED.match(path):
            complain(path, number, 'a test for a kernel version outside kmod/compat/')


def check_functions(path, code):
    """A function's body is from a line "{" to the next line "}", both in column 0."""
    start = None
    name = ''
    for number, line in enumerate(code, 1):
        if line == '{':
            start = number
        elif line.startswith('}') and start:
            if number - start + 1 > MAX_FUNCTION:
                complain(path, start, f'function {name} has {number - start + 1} lines, '
                         f'more than {MAX_FUNCTION}')
            start = None
        else:
            match = re.match(r'[A-Za-z_].*?(\w+)\s*\(', line)
            if match:
                name = match.group(1)


def main():
    for path in sys.stdin.read().split('\n'):
        if not path or NOT_OURS.match(path):
            continue
        data = open(path, 'rb').read()
        if b'\0' in data:
            complain(path, 1, 'not a text file')
            continue
        text = data.decode()
        if text and not text.endswith('\n'):
            complain(path, text.count('\n') + 1, 'no newline at the end of the file')
        if text.endswith('\n\n'):
            complain(path, text.count('\n'), 'empty lines at the end of the file')
        lines = text.split('\n')[:-1]
        if len(lines) > MAX_FILE:
            complain(path, MAX_FILE, f'{len(lines)} lines, more than {MAX_FILE}')
        check_spdx(path, lines)
        check_lines(path, lines)
        if C_FILE.search(path):
            code = blank(text).split('\n')
            check_c_lines(path, lines, code)
            check_functions(path, [line.rstrip() for line in code])
    return 1 if complain.count else 0


if __name__ == '__main__':
    sys.exit(main())
