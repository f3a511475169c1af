#!/usr/bin/perl
# Counterpart of tests/e2e/guest/agent.py for a card, which has no Python: carries out commands from a port, as root.
# One line of JSON each way: {"id", "run", "timeout"} comes in, {"id", "code", "out"} goes back.
use strict;
use warnings;
use Fcntl qw(:flock);

my ($name) = @ARGV;
select(undef, undef, undef, 0.1) until -e $name;
# A serial port must pass all bytes unchanged.
system("stty -F $name raw -echo 115200") unless $name =~ /virtio/;
open(my $port, '+<:raw', $name) or die "$name: $!";
open(my $lock, '>', '/run/e2e.lock') or die $!;
$SIG{CHLD} = 'IGNORE';

sub text_of {
    my ($json) = @_;
    my %short = (n => "\n", t => "\t", r => "\r", b => "\b", f => "\f");
    $json =~ s{\\(u([0-9a-fA-F]{4})|.)}{defined $2 ? do { my $c = chr hex $2; utf8::encode($c); $c } : $short{$1} // $1}ge;
    return $json;
}

sub json_of {
    my ($text) = @_;
    $text =~ s/([\\"])/\\$1/g;
    $text =~ s/([\x00-\x1f])/sprintf '\\u%04x', ord $1/ge;
    return qq("$text");
}

sub answer {
    my ($line) = @_;
    # A separate process answers each command.
    open(my $mine, '>', '/run/e2e.lock') or die $!;
    flock($mine, LOCK_EX);
    while (length $line) {
        my $written = syswrite($port, $line, 16384) // die $!;
        substr($line, 0, $written) = '';
    }
}

answer(qq({"id": 0, "code": 0, "out": "here"}\n));
my $read = '';
while (1) {
    my $count = sysread($port, $read, 65536, length $read);
    if (!$count) {
        # The other end is not connected yet.
        select(undef, undef, undef, 0.1);
        next;
    }
    while ($read =~ s/^(.*?)\n//s) {
        my $line = $1;
        my ($id) = $line =~ /"id": (\d+)/ or next;
        my ($run) = $line =~ /"run": "((?:[^"\\]|\\.)*)"/ or next;
        my ($limit) = $line =~ /"timeout": ([\d.]+)/ or next;
        next if fork;
        $SIG{CHLD} = 'DEFAULT';
        open(my $out, '-|', 'timeout', $limit, 'bash', '-c', 'exec 2>&1 </dev/null; ' . text_of($run)) or die $!;
        my $said = do { local $/; <$out> } // '';
        close($out);
        answer(sprintf(qq({"id": %d, "code": %d, "out": %s}\n), $id, $? >> 8, json_of($said)));
        exit;
    }
}
