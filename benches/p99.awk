# Count, 5xx and an approximate p99 by folded route: what a person would write in awk. Steps of 5 %.
{
    method = substr($6, 2); n = split($7, part, /[\/?]/); route = method
    for (i = 2; i <= n; i++) {
        p = part[i]
        if (p ~ /=/) break
        if (p ~ /^[0-9]+$/) p = "{int}"
        else if (p ~ /^[0-9a-f]+-[0-9a-f]+-[0-9a-f]+-[0-9a-f]+-[0-9a-f]+$/) p = "{uuid}"
        else if (length(p) == 16 && p ~ /^[0-9a-f]+$/) p = "{hex}"
        else if (p ~ /^[a-z]+-[a-z]+-[0-9]+$/) p = "{slug}"
        route = route "/" p
    }
    count[route]++
    if ($9 >= 500) errors[route]++
    seconds = $(NF - 2) + 0.000001
    bucket[route, int(log(seconds) / 0.0488)]++
}
END {
    for (key in bucket) { split(key, k, SUBSEP); if (!(k[1] in low) || k[2] < low[k[1]]) low[k[1]] = k[2]; if (!(k[1] in high) || k[2] > high[k[1]]) high[k[1]] = k[2] }
    for (route in count) {
        seen = 0
        for (b = low[route]; b <= high[route]; b++) { seen += bucket[route, b]; if (seen >= 0.99 * count[route]) break }
        printf "%s %d %d %.3f\n", route, count[route], errors[route], exp((b + 1) * 0.0488)
    }
}
