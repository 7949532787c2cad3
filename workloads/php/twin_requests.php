<?php
/* What the twins of requests share: a loop of requests on the command line, one request under php-fpm. */
declare(strict_types=1);

/**
 * Run `$request` (number => [output, what lives to the request's end]) as the SAPI wants. On the command line: JSON
 * with checkpoints, live bytes being those that a request holds at its end, peaks the most within one.
 */
function run_requests(string $program, array $defaults, string $help, callable $request): void
{
    global $argv;
    if (PHP_SAPI === 'fpm-fcgi') {
        $number = (int) ($_GET['request'] ?? 1);
        mt_srand($number);
        echo $request($number, $defaults)[0], "</html>\n";
        return;
    }
    $usage = "usage: php $program.php [--steps=N] [--seed=N] [--checkpoint=N] [--NAME=N]...\n\n"
        . "  --steps=N        requests (default 20)\n  --seed=N         of the random numbers (default 1)\n"
        . "  --checkpoint=N   requests between checkpoints (default 5)\n$help"
        . "Under php-fpm: one request; the query string names its number (\"request=7\").\n";
    $options = read_options("$program.php", array_slice($argv, 1), $usage,
        ['steps' => 20, 'seed' => 1, 'checkpoint' => 5] + $defaults);
    mt_srand($options['seed']);
    $result = ['steps' => $options['steps'], 'checksum' => 0, 'bytes' => 0, 'checkpoints' => []];
    for ($number = 1; $number <= $options['steps']; $number++) {
        $before = memory_get_usage();
        memory_reset_peak_usage();
        [$output, $kept] = $request($number, $options);
        $live = memory_get_usage() - $before;
        $result['checksum'] = ($result['checksum'] * 31 + crc32($output)) & 0xffffffff;
        $result['bytes'] += strlen($output);
        if ($number % $options['checkpoint'] === 0) {
            $result['checkpoints'][] = ['steps' => $number, 'live_bytes' => $live,
                'peak_bytes' => memory_get_peak_usage() - $before];
        }
        unset($output, $kept);
    }
    $status = gc_status();
    $result += ['gc_runs' => $status['runs'], 'gc_collected' => $status['collected'],
        'gc_threshold' => $status['threshold'], 'gc_roots' => $status['roots']];
    echo json_encode($result), "\n";
}
