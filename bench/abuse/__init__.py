"""What hostile connections cost good callers: each attack in a process of its own against a real server, while another client makes calls."""
