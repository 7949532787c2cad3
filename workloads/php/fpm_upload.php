<?php
/* Twin of the workload fpm-upload: the same upload in PHP. README.md says what corresponds to what. */
declare(strict_types=1);

require __DIR__ . '/twin_text.php';
require __DIR__ . '/twin_requests.php';

const HELP = "  --files=N, --file=BYTES, --chunk=BYTES, --fields=N   as the workload's options\n";
const DEFAULTS = ['files' => 4, 'file' => 512 * 1024, 'chunk' => 8192, 'fields' => 12];
const LINE_BYTES = 57;
const BOUNDARY = '--form-boundary-7d91f0c3';

/** What the client sends comes from outside the heap: a file. */
function incoming(array $options)
{
    static $stream = null;
    if ($stream !== null) {
        rewind($stream);
        return $stream;
    }
    $stream = tmpfile();
    for ($i = 0; $i < $options['fields']; $i++) {
        put_part($stream, 'field', $i, 16 + $i % 32);
    }
    for ($i = 0; $i < $options['files']; $i++) {
        put_part($stream, 'file', $i, intdiv($options['file'], 4) * (4 - $i % 3));
    }
    fwrite($stream, BOUNDARY . "--\n");
    rewind($stream);
    return $stream;
}

/** Bytes without line ends, so that no part holds a boundary. */
function put_part($stream, string $kind, int $number, int $bytes): void
{
    fwrite($stream, BOUNDARY . "\nContent-Disposition: form-data; name=\"$kind$number\"\n"
        . "Content-Type: application/octet-stream\n\n");
    for (; $bytes > 0; $bytes -= 64) {
        $piece = '';
        for ($i = 0; $i < min($bytes, 64); $i++) {
            $piece .= chr(48 + mt_rand(0, 63));
        }
        fwrite($stream, $piece);
    }
    fwrite($stream, "\n");
}

function receive($stream, int $chunk): string
{
    $body = '';
    while (($piece = fread($stream, $chunk)) !== '' && $piece !== false) {
        $body .= $piece;
    }
    return $body;
}

function parse_headers(string $head): array
{
    $headers = [];
    foreach (explode("\n", $head) as $line) {
        $pair = explode(':', $line);
        if (count($pair) === 2) {
            $headers[$pair[0]] = $pair[1];
        }
    }
    return $headers;
}

function parse(string $body): array
{
    $parts = [];
    $start = strlen(BOUNDARY) + 1;
    while ($start < strlen($body) && ($end = strpos($body, BOUNDARY, $start)) !== false) {
        $content = strpos($body, "\n\n", $start) + 2;
        $part = [];
        $part['type'] = parse_headers(substr($body, $start, $content - 2 - $start));
        $part['size'] = $end - 1 - $content;
        $part['content'] = substr($body, $content, $end - 1 - $content);
        $parts[] = $part;
        $start = $end + strlen(BOUNDARY) + 1;
    }
    return $parts;
}

/** Line by line onto a string that grows. */
function store(string $content): int
{
    $output = '';
    for ($position = 0; $position < strlen($content); $position += LINE_BYTES) {
        $output .= base64_encode(substr($content, $position, LINE_BYTES)) . "\n";
    }
    return crc32($output);
}

run_requests('fpm_upload', DEFAULTS, HELP, static function (int $number, array $options): array {
    $body = receive(incoming($options), $options['chunk']);
    $parts = parse($body);
    $sum = $number;
    foreach ($parts as $part) {
        $sum = ($sum * 31 + store($part['content'])) & 0xffffffff;
    }
    return [sprintf('%08x', $sum), [$body, $parts]];
});
