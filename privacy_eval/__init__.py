"""Privacy audit of synthetic images: attacks, controls, statistics, verdict and report (numpy and scipy only).

Two ways in: `site_audit.audit_site` at each site and `verdict.combine` over the sites, or `folder.audit_folders` on
plain folders of images; then `report.audit_report` and `report.render_html`.
"""
