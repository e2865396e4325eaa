#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Compare what the command says of itself with its sources, man pages and completion.

usage: lint/docs.py build/nvwa
"""
import re
import subprocess
import sys

faults = []


def fault(text):
    faults.append(text)


def read(path):
    return open(path).read()


def run(*args):
    return subprocess.run(args, capture_output=True, text=True, check=True).stdout


def plain(text):
    """A man page without its fonts and escapes."""
    text = text.replace('\\-', '-').replace('\\fR', '').replace('\\fB', '')
    return text


def sections(page, macro):
    """Title -> text of the sections that the macro begins."""
    parts = re.split(rf'(?m)^\.{macro} (.*)$', page)
    return {title.strip('"'): re.split(r'(?m)^\.SH ', body)[0]
            for title, body in zip(parts[1::2], parts[2::2])}


def flags_in(text):
    return set(re.findall(r'--[a-z][a-z-]+', text))


def check_verbs(command):
    verbs = re.findall(r'(?m)^  ([a-z]+) ', run(command, 'help'))
    if not verbs:
        fault(f'{command} help lists no verbs')
    page = plain(read('man/nvwa.8'))
    manual = sections(page, 'SS')
    synopsis = sections(page, 'SH')['SYNOPSIS']
    completion = read('completion/nvwa')
    offered = re.search(r'verbs="([^"]*)"', completion).group(1).split()
    if offered != verbs:
        fault(f'completion/nvwa offers {offered}, help says {verbs}')
    if [title.split()[-1] for title in manual] != verbs:
        fault(f'man/nvwa.8 has sections {list(manual)}, help says {verbs}')
    for verb in verbs:
        flags = flags_in(run(command, verb, '--help'))
        described = set(re.findall(r'(?m)^\.B[I]? "?(--[a-z-]+)', manual.get(f'nvwa {verb}', '')))
        if verb in ('help', 'version'):
            described = set()
        if described != flags:
            fault(f'nvwa {verb} --help has {sorted(flags)}, man/nvwa.8 {sorted(described)}')
        line = re.search(rf'(?ms)^\.B nvwa {verb}$(.*?)(?=^\.B nvwa|\Z)', synopsis)
        if not line or flags_in(line.group(1)) != flags:
            fault(f'the synopsis of man/nvwa.8 does not have the flags of nvwa {verb}')
        case = re.search(rf'(?m)^\t[^)\n]*\b{verb}:-\*[^)\n]*\) words="([^"]*)"', completion)
        if not case or set(case.group(1).split()) != flags | {'--help'}:
            fault(f'completion/nvwa does not offer the flags of nvwa {verb}')
    # Also of the verb that is for units only.
    for verb in [verb for verb in verbs if verb not in ('help', 'version')] + ['resume']:
        flags = flags_in(run(command, verb, '--help'))
        options = set(re.findall(r'\{ "([a-z-]+)", (?:no|required)_argument',
                                 read(f'tool/{verb}.c')))
        if {f'--{name}' for name in options} != flags | {'--help'}:
            fault(f'tool/{verb}.c takes {sorted(options)}, nvwa {verb} --help has {sorted(flags)}')


def check_exit_codes():
    enum = re.search(r'enum exit_code \{(.*?)\};', read('tool/common.h'), re.S).group(1)
    codes = dict(re.findall(r'(EXIT_[A-Z_]+) = (\d+)', enum))
    codes['EXIT_FAILURE'] = '1'
    words = dict(re.findall(r'\[(EXIT_[A-Z_]+)\] = "([a-z-]+)"', read('tool/common.c')))
    if set(codes) != set(words):
        fault('tool/common.c does not have a word for each code of enum exit_code')
    status = sections(plain(read('man/nvwa.8')), 'SH')['EXIT STATUS']
    described = dict(re.findall(r'(?m)^\.B (\d+)\n([a-z-]+):', status))
    for name, code in codes.items():
        if described.get(code) != words.get(name):
            fault(f'man/nvwa.8 says "{described.get(code)}" for exit status {code}, '
                  f'tool/common.c "{words.get(name)}"')
    for code in set(described) - set(codes.values()):
        fault(f'man/nvwa.8 describes exit status {code}, which does not exist')


def check_keys():
    source = read('tool/config.c')
    for table, page in (('restore_keys', 'man/nvwa-restore.yaml.5'),
                        ('server_keys', 'man/nvwa-server.yaml.5')):
        body = re.search(rf'{table}\[\] = \{{(.*?)\n\}};', source, re.S).group(1)
        keys = set(re.findall(r'KEY\((\w+)', body)) | set(re.findall(r'\{ "(\w+)"', body))
        described = set(re.findall(r'(?m)^\.BR? .*$', read(page)))
        described = set(re.findall(r'[a-z]+(?:_[a-z]+)*', ' '.join(described)))
        for key in sorted(keys - described):
            fault(f'{page} does not describe {key}')


def check_cmdline():
    """The tables of lib/kexec/ that doc/cmdline.md shows."""
    doc = read('doc/cmdline.md')
    rules = re.findall(r'\{ "([^"]+)", FATE_(\w+),\s*(?:"([^"]*)"|NULL) \}',
                       read('lib/kexec/fate.c'))
    coded = [(name, fate.lower(), why or 'harmless') for name, fate, why in rules]
    shown = re.findall(r'(?m)^\| `([^`]+)` \| (pass|same|strip|keep|refuse) \| (.*) \|$', doc)
    for row in [row for row in coded if row not in shown]:
        fault(f'doc/cmdline.md lacks {row}, which is in lib/kexec/fate.c')
    for row in [row for row in shown if row not in coded]:
        fault(f'doc/cmdline.md has {row}, which is not in lib/kexec/fate.c')
    if sorted(coded) == sorted(shown) and coded != shown:
        fault('doc/cmdline.md has the rows of lib/kexec/fate.c in another order')

    source = read('lib/kexec/cmdline.c')
    table = re.search(r'\} added\[\] = \{(.*?)\n\};', source, re.S).group(1)
    adds = set(re.findall(r'(?m)^\t\{ "([^"=]+)', table))
    adds |= set(re.findall(r'" ([a-z_]+)=%u"', source))
    adds |= set(re.findall(r'\{ "([\w.]+)",\s', read('lib/kexec/tables.c')))
    section = doc.split('## What nvwa adds')[-1]
    named = set(re.findall(r'`([^`= ]+)(?:=[^`]*)?`', ''.join(
        re.findall(r'(?m)^\| (`[^|]*) \|', section))))
    if adds != named:
        fault(f'doc/cmdline.md says that {sorted(named)} are added, lib/kexec/ has {sorted(adds)}')


def check_kernels():
    lines = [line.split() for line in read('lab/kernels.list').split('\n')]
    listed = {line[2] for line in lines if line and not line[0].startswith('#')}
    named = set(re.findall(r'(?m)^\| (\d\S*\*) \|', read('README.md')))
    if named != listed:
        fault(f'README.md has a table of the kernels {sorted(named)}, '
              f'lab/kernels.list {sorted(listed)}')


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    try:
        check_verbs(sys.argv[1])
    except FileNotFoundError as error:
        fault(f'{error.filename} is not there: run make first')
    check_exit_codes()
    check_keys()
    check_cmdline()
    check_kernels()
    print('\n'.join(faults), end='\n' if faults else '')
    return 1 if faults else 0


if __name__ == '__main__':
    sys.exit(main())
